import { safeText } from '../../text/render.ts'
import type { Shape } from '../map/shape.ts'

/** The element of the page with an id; each is in the page's own text. */
export function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id)
  if (found instanceof kind) return found
  throw new Error(`the page has no ${id}`)
}

/** An element with texts and elements in it: texts are never parsed. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  css: string,
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  if (css !== '') made.className = css
  made.append(...children.map((child) => (typeof child === 'string' ? safeText(child) : child)))
  return made
}

/** A drawing as a part of the page. */
export function svgElement({ tag, attributes, children }: Shape): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes))
    if (name !== 'xmlns') made.setAttribute(name, `${value}`)
  made.append(
    ...children.map((child) => (typeof child === 'string' ? safeText(child) : svgElement(child))),
  )
  return made
}

/** Changes a text only if it is another one: a screen reader and a selection are left alone otherwise. */
export function setText(node: Element, text: string): void {
  const safe = safeText(text)
  if (node.textContent !== safe) node.textContent = safe
}
