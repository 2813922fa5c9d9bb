import { expect, test } from 'vitest'
import { drawing } from '../../src/picture/map/drawing.ts'
import { drawMap } from '../../src/picture/map/map.ts'
import { type Shape, svgText } from '../../src/picture/map/shape.ts'
import { HOSTILE, RING } from './rings.ts'

function all(shape: Shape): readonly Shape[] {
  return [
    shape,
    ...shape.children.flatMap((child) => (typeof child === 'string' ? [] : all(child))),
  ]
}

function classed(map: Shape, css: string): readonly Shape[] {
  return all(map).filter(({ attributes }) => attributes['class'] === css)
}

const WIDTH = 1000
const options = { width: WIDTH, id: 'map' }
const INNER = WIDTH - 32

test('used space is drawn to scale, where it is', () => {
  const { data } = RING
  const ring = {
    ...RING,
    log: { head: data.offset + data.bytes / 4, used: data.bytes / 2, tail: 0 },
  }
  const [, used] = classed(drawMap(ring, options), 'used')
  expect(used?.attributes).toMatchObject({ x: 16 + INNER / 4, width: INNER / 2 })
})

test('a range that wraps is drawn in two pieces, on the device and on its data area', () => {
  const { data } = RING
  const ring = {
    ...RING,
    log: { head: data.offset + data.bytes * 0.75, used: data.bytes / 2, tail: 0 },
  }
  const pieces = classed(drawMap(ring, options), 'used').slice(2)
  expect(pieces.map(({ attributes: { x, width } }) => ({ x, width }))).toEqual([
    { x: 16 + INNER * 0.75, width: INNER / 4 },
    { x: 16, width: INNER / 4 },
  ])
})

test('each part is drawn with its name', () => {
  const titles = all(drawMap(RING, options)).flatMap(({ tag, children }) =>
    tag === 'title' ? children : [],
  )
  for (const { name } of RING.parts)
    expect(
      titles.some((title) => typeof title === 'string' && title.startsWith(`${name} at byte`)),
    ).toBe(true)
})

test('damage has a mark and a title, in the metadata and in the data area', () => {
  const { data, parts } = RING
  const slot = parts.find(({ name }) => name === 'producer slot 2')
  const damage = [slot?.offset ?? 0, data.offset + 4096].map((offset) => ({
    ...{ offset, bytes: 4096, severity: 'damage', structure: 'something', problem: 'broken' },
  })) as (typeof RING)['damage'][number][]
  const map = drawMap({ ...RING, damage }, options)
  const alerts = classed(map, 'alert').flatMap(({ children }) => children)
  expect(alerts).toEqual(['! damaged', '!'])
  expect(svgText(map).match(/something at byte [\d,]+: broken/g)?.length).toBeGreaterThanOrEqual(2)
})

test.each([320, 720, 1400])('nothing is drawn beside a map that is %i wide', (width) => {
  const map = drawMap(HOSTILE, { width, id: 'map' })
  const rects = all(map).filter(({ tag, attributes }) => tag === 'rect' && 'x' in attributes)
  expect(rects.length).toBeGreaterThan(12)
  for (const { attributes } of rects) {
    expect(Number(attributes['x'])).toBeGreaterThanOrEqual(0)
    expect(Number(attributes['x']) + Number(attributes['width'])).toBeLessThanOrEqual(width)
  }
})

test('names from a device are no markup, and no character of theirs acts on anything', () => {
  const svg = drawing(HOSTILE)
  expect(svg).not.toMatch(/<script|<b>|onload="/)
  for (const character of ['\x1b', '\u202e']) expect(svg).not.toContain(character)
  expect(svg).toContain('&lt;script&gt;')
  // All quotes are closed, and all elements too.
  const tags = [...svg.matchAll(/<(\/?)([a-z]+)((?: [a-zA-Z-]+="[^"<>]*")*)(\/?)>/g)]
  const left = svg.replace(/<(\/?)([a-z]+)((?: [a-zA-Z-]+="[^"<>]*")*)(\/?)>/g, '')
  expect(left).not.toMatch(/[<>]/)
  const open: string[] = []
  for (const [, closes, name = '', , empty] of tags) {
    if (closes === '/') expect(open.pop()).toBe(name)
    else if (empty === '') open.push(name)
  }
  expect(open).toEqual([])
})
