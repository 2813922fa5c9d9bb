import { safeText } from '../../text/render.ts'

/** An element of a drawing, before it becomes text or part of a page: text from a device is never parsed as markup. */
export interface Shape {
  readonly tag: string
  readonly attributes: Readonly<Record<string, string | number>>
  readonly children: readonly (Shape | string)[]
}

export function shape(
  tag: string,
  attributes: Shape['attributes'] = {},
  ...children: Shape['children']
): Shape {
  return { tag, attributes, children }
}

/** A drawing as SVG. All text passes here. */
export function svgText({ tag, attributes, children }: Shape): string {
  const pairs = Object.entries(attributes).map(
    ([name, value]) => ` ${name}="${escaped(`${value}`)}"`,
  )
  const inner = children.map((child) =>
    typeof child === 'string' ? escaped(child) : svgText(child),
  )
  const open = `<${tag}${pairs.join('')}`
  return inner.length === 0 ? `${open}/>\n` : `${open}>${inner.join('')}</${tag}>\n`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escaped(text: string): string {
  return safeText(text).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}
