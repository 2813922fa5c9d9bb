import { answersOf } from '../answers.ts'
import type { RingSeen } from '../snapshot.ts'
import { drawMap, MAP_HEIGHT } from './map.ts'
import { type Shape, shape, svgText } from './shape.ts'
import { COLOURS, MAP_STYLE } from './style.ts'

const WIDTH = 960
const TOP = 40
const LINE = 20
/** Longer lines are cut: the drawing has no more room. */
const MOST_CHARACTERS = 140

/** A ring as a document of its own: the map, a heading, and the answers. */
export function drawing(ring: RingSeen): string {
  const answers = answersOf(ring, undefined).filter(
    ({ name }) => name !== 'drain' && name !== 'full',
  )
  const height = TOP + MAP_HEIGHT + answers.length * LINE + 12
  const map = drawMap(ring, { width: WIDTH, id: 'ring' })
  const [title, description, ...shapes] = map.children
  const name = ring.ring?.name ? ` “${ring.ring.name}”` : ''
  const heading = `${ring.device}${name}, format ${ring.format}`
  const line = (words: string): string =>
    words.length > MOST_CHARACTERS ? `${words.slice(0, MOST_CHARACTERS - 1)}…` : words
  const facts = answers.map(({ title: what, text, mood }, index): Shape => {
    const y = TOP + MAP_HEIGHT + 12 + index * LINE
    return shape(
      'text',
      { x: 16, y, class: mood === 'bad' ? 'alert' : 'label' },
      line(`${what}: ${text}`),
    )
  })
  const document = shape(
    'svg',
    { ...map.attributes, viewBox: `0 0 ${WIDTH} ${height}`, height },
    ...[title, description].filter((child) => child !== undefined),
    shape('style', {}, (COLOURS + MAP_STYLE).replaceAll('\n', '')),
    shape('rect', { width: WIDTH, height, class: 'back' }),
    shape('text', { x: 16, y: 26, class: 'heading' }, line(heading)),
    shape('g', { transform: `translate(0 ${TOP})` }, ...shapes),
    ...facts,
  )
  return svgText(document)
}
