import { percent } from '../../text/render.ts'
import { bytesText, damageText } from '../answers.ts'
import { type Damage, fillOfRing, type Part, type RingSeen } from '../snapshot.ts'
import { type Shape, shape } from './shape.ts'

/** Options of drawing a map. */
export interface MapOptions {
  /** In pixels; text has the same size in all of them. */
  readonly width: number
  /** A prefix of the ids in the drawing, which have to be unique on a page. */
  readonly id: string
}

const MARGIN = 16
/** Below this, parts have short names. */
const NARROW = 720
/** The least size of a part in the drawing. */
const LEAST = 3
/** About the width of a character. */
const CHARACTER = 6.6

const DEVICE = { y: 26, height: 14 }
const PARTS = { y: 66, height: 42 }
const DATA = { y: 164, height: 44 }
/** The height of the whole map. */
export const MAP_HEIGHT = 256

const SHORT: Readonly<Record<string, string>> = {
  guard: 'guard',
  magic: 'magic',
  'superblock 1': 'SB1',
  'superblock 2': 'SB2',
  'superblock 3': 'SB3',
  'producer slot 1': 'P1',
  'producer slot 2': 'P2',
  'consumer slot 1': 'C1',
  'consumer slot 2': 'C2',
  'producer lease': 'PL',
  'consumer lease': 'CL',
  'producer pointer': 'P',
  'consumer pointer': 'C',
}

/**
 * Draws a device: all of it to scale, its small parts enlarged to scale with each other, and its data area. Damage is
 * hatched and marked, so that it is visible without colours; and each part has a title with its name.
 */
export function drawMap(ring: RingSeen, options: MapOptions): Shape {
  const { width, id } = options
  const inner = width - 2 * MARGIN
  const marks = [...ring.damage].slice(0, MOST_MARKS)
  return shape(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${width} ${MAP_HEIGHT}`,
      width,
      height: MAP_HEIGHT,
      class: 'map',
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-desc`,
    },
    shape('title', { id: `${id}-title` }, `The device ${ring.device}`),
    shape('desc', { id: `${id}-desc` }, describe(ring)),
    hatching(id),
    ...deviceRow(ring, inner),
    ...partsRow(ring, inner, width < NARROW, id),
    ...dataRow(ring, inner, marks, id),
  )
}

const MOST_MARKS = 200

function hatching(id: string): Shape {
  const pattern = {
    id: `${id}-hatch`,
    width: 6,
    height: 6,
    patternUnits: 'userSpaceOnUse',
    patternTransform: 'rotate(45)',
  }
  return shape(
    'defs',
    {},
    shape(
      'pattern',
      pattern,
      shape('rect', { width: 6, height: 6, class: 'damage' }),
      shape('rect', { width: 2, height: 6, class: 'stripe' }),
    ),
  )
}

/** The map in words. */
function describe(ring: RingSeen): string {
  const { deviceBytes, data, log, damage, epochs } = ring
  const fill = fillOfRing(ring)
  const used =
    log === undefined || fill === undefined
      ? 'What is in use is unknown.'
      : `${percent(fill)} of the data area is in use, from byte ${log.head} to byte ${log.tail}.`
  const begun =
    epochs.length === 0
      ? ''
      : ` Epochs begin at ${epochs.map(({ epoch, offset }) => `${offset} (${epoch})`).join(', ')}.`
  const wrong =
    damage.length === 0
      ? ' No damage was seen.'
      : ` Damage: ${damage.slice(0, 5).map(damageText).join('; ')}.`
  return `${bytesText(deviceBytes)}, with a data area of ${bytesText(data.bytes)} from byte ${data.offset} on. ${used}${begun}${wrong}`
}

function rect(
  x: number,
  y: number,
  width: number,
  height: number,
  css: string,
  ...inside: Shape[]
): Shape {
  return shape('rect', { x: round(x), y, width: round(width), height, class: css }, ...inside)
}

function text(x: number, y: number, css: string, words: string, anchor = 'start'): Shape {
  return shape('text', { x: round(x), y, class: css, 'text-anchor': anchor }, words)
}

/** The anchor of a text that keeps it on the map. */
function anchorAt(x: number, inner: number, words: string): 'start' | 'middle' | 'end' {
  const half = (words.length * CHARACTER) / 2
  if (x - half < MARGIN) return 'start'
  return x + half > MARGIN + inner ? 'end' : 'middle'
}

function round(value: number): number {
  return Number(value.toFixed(1))
}

/** The whole device, to scale. */
function deviceRow({ deviceBytes, parts, data, log }: RingSeen, inner: number): readonly Shape[] {
  const at = (offset: number): number => MARGIN + (offset / deviceBytes) * inner
  const { y, height } = DEVICE
  const front = Math.max(LEAST, (data.offset / deviceBytes) * inner)
  const end = at(data.offset + data.bytes)
  const used = log === undefined ? [] : runsOf(data.offset, data.bytes, log.head, log.used)
  const shown = parts.filter(({ offset }) => offset >= data.offset)
  return [
    text(MARGIN, y - 10, 'muted', 'device, to scale'),
    text(MARGIN + inner, y - 10, 'muted', bytesText(deviceBytes), 'end'),
    rect(MARGIN, y, inner, height, 'free'),
    ...used.map(({ offset, bytes }) =>
      rect(at(offset), y, Math.max(1, (bytes / deviceBytes) * inner), height, 'used'),
    ),
    rect(MARGIN, y, front, height, 'part', shape('title', {}, 'metadata, enlarged below')),
    ...shown.map(({ name }) =>
      rect(
        Math.min(end, MARGIN + inner - LEAST),
        y,
        Math.max(LEAST, MARGIN + inner - end),
        height,
        'part',
        shape('title', {}, name),
      ),
    ),
    shape('path', {
      class: 'zoom',
      d: `M${MARGIN} ${y + height}V${PARTS.y}M${round(MARGIN + front)} ${y + height}L${MARGIN + inner} ${PARTS.y}`,
    }),
  ]
}

/** Guard, superblocks, slots and leases, to scale with each other. */
function partsRow(ring: RingSeen, inner: number, isNarrow: boolean, id: string): readonly Shape[] {
  const { parts, damage } = ring
  const gap = 2
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0)
  const room = inner - gap * (parts.length - 1)
  // Parts that are much smaller than the rest get a minimum width.
  const widths = parts.map(({ bytes }) =>
    Math.max(room / (2.5 * parts.length), (bytes / total) * room),
  )
  const scale = room / widths.reduce((sum, width) => sum + width, 0)
  let x = MARGIN
  return parts.map((part, index) => {
    const width = (widths[index] ?? 0) * scale
    const found = damage.filter(
      (one) => one.offset < part.offset + part.bytes && part.offset < one.offset + one.bytes,
    )
    const drawn = drawPart(part, found, { x, width, isNarrow, id })
    x += width + gap
    return drawn
  })
}

function drawPart(
  { kind, name, note, current, offset }: Part,
  damage: readonly Damage[],
  { x, width, isNarrow, id }: { x: number; width: number; isNarrow: boolean; id: string },
): Shape {
  const { y, height } = PARTS
  const [first] = damage
  const isBad = first !== undefined
  const middle = x + width / 2
  const words = isNarrow ? [SHORT[name] ?? name] : linesOf(name)
  const state = isBad ? '! damaged' : current ? 'current' : ''
  const told = isBad ? damageText(first) : note
  return shape(
    'g',
    { class: kind },
    shape('title', {}, `${name} at byte ${offset}: ${told}`),
    rect(x, y, width, height, current ? 'part current' : 'part'),
    ...(isBad
      ? [
          shape('rect', {
            x: round(x),
            y: y + height - 10,
            width: round(width),
            height: 10,
            fill: `url(#${id}-hatch)`,
          }),
        ]
      : []),
    ...words.map((line, index) => text(middle, y + 14 + index * 12, 'label', line, 'middle')),
    text(
      middle,
      y + height + 13,
      isBad ? 'alert' : 'muted',
      isNarrow ? (isBad ? '!' : current ? '●' : '') : state,
      'middle',
    ),
  )
}

/** `producer slot 1` in two lines. */
function linesOf(name: string): readonly string[] {
  const [first = '', ...rest] = name.split(' ')
  return rest.length === 0 ? [first] : [first, rest.join(' ')]
}

/** The data area, with the part in use. */
function dataRow(
  ring: RingSeen,
  inner: number,
  damage: readonly Damage[],
  id: string,
): readonly Shape[] {
  const { data, log, epochs } = ring
  const { y, height } = DATA
  const at = (offset: number): number => MARGIN + ((offset - data.offset) / data.bytes) * inner
  const fill = fillOfRing(ring)
  const title = [
    `data area, ${bytesText(data.bytes)}`,
    ...(fill === undefined ? [] : [`${percent(fill)} in use`]),
    ...epochs.slice(-1).map(({ epoch }) => `epoch ${epoch}`),
  ].join(', ')
  const runs = log === undefined ? [] : runsOf(data.offset, data.bytes, log.head, log.used)
  const within = damage.filter(
    ({ offset }) => offset >= data.offset && offset < data.offset + data.bytes,
  )
  return [
    text(MARGIN, y - 14, 'muted', title),
    rect(MARGIN, y, inner, height, 'free'),
    ...runs.map(({ offset, bytes }) =>
      rect(
        at(offset),
        y,
        Math.max(LEAST, (bytes / data.bytes) * inner),
        height,
        'used',
        shape('title', {}, 'unacknowledged'),
      ),
    ),
    ...epochs.map(({ epoch, offset }) => {
      const x = at(offset)
      return shape(
        'g',
        {},
        shape('title', {}, `epoch ${epoch} begins at byte ${offset}`),
        shape('path', { class: 'epoch', d: `M${round(x)} ${y - 6}V${y + height}` }),
      )
    }),
    ...within.map((one) => {
      const x = Math.min(at(one.offset), MARGIN + inner - 5)
      const width = Math.max(5, (one.bytes / data.bytes) * inner)
      return shape(
        'g',
        {},
        shape('title', {}, damageText(one)),
        shape('rect', {
          x: round(x),
          y: y - 3,
          width: round(width),
          height: height + 6,
          fill: `url(#${id}-hatch)`,
        }),
        text(x + width / 2, y - 4, 'alert', '!', 'middle'),
      )
    }),
    ...(log === undefined ? [] : cursors(ring, at(log.head), at(log.tail), inner)),
  ]
}

/** Marks for the consumer's position, and for where the producer writes next. */
function cursors(
  { consumer, producer }: RingSeen,
  head: number,
  tail: number,
  inner: number,
): readonly Shape[] {
  const bottom = DATA.y + DATA.height
  const mark = (x: number, y: number, css: string, words: string): Shape =>
    shape(
      'g',
      { class: css },
      shape('path', { d: `M${round(x)} ${bottom}l-5 9h10z` }),
      shape('path', { class: 'line', d: `M${round(x)} ${DATA.y}V${y - 12}` }),
      text(x, y, 'label', words, anchorAt(x, inner, words)),
    )
  return [
    mark(head, bottom + 22, 'head', `cursor: consumer ${consumer.position ?? ''}`),
    mark(tail, bottom + 38, 'tail', `tail: producer ${producer.position ?? ''}`),
  ]
}

/** The bytes in use as one run, or two if they wrap. */
function runsOf(start: number, total: number, head: number, used: number) {
  const untilEnd = start + total - head
  if (used === 0) return []
  if (used <= untilEnd) return [{ offset: head, bytes: used }]
  return [
    { offset: head, bytes: untilEnd },
    { offset: start, bytes: used - untilEnd },
  ]
}
