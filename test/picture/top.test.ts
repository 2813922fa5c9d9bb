import { expect, test } from 'vitest'
import { History } from '../../src/picture/history.ts'
import type { RingSeen, Snapshot } from '../../src/picture/snapshot.ts'
import { type Shown, screenLines, sorted } from '../../src/picture/top/screen.ts'
import { keysIn } from '../../src/picture/top/terminal.ts'
import { HOSTILE, RING } from './rings.ts'

const paint = (_: unknown, text: string): string => text

function shown(snapshot: Snapshot): Shown {
  const history = new History()
  history.add(snapshot, 0)
  return { snapshot, history }
}

/** A ring of a name, with so many items that wait. */
function ring(device: string, waitingItems: number): RingSeen {
  return { ...RING, device, waitingItems }
}

const BAD = { device: '/gone', at: RING.at, error: { code: 'BLOCK_OPEN', message: 'no such file' } }
const RINGS = [shown(ring('/a', 5)), shown(ring('/b', 70)), shown(BAD), shown(HOSTILE)]

test.each([
  [40, 10],
  [80, 24],
  [200, 60],
])('a screen of %i columns and %i rows is not exceeded', (columns, rows) => {
  const lines = screenLines(RINGS, { columns, rows, sort: 'ring', selected: 3, paint })
  expect(lines.length).toBeLessThanOrEqual(rows)
  for (const line of lines) {
    expect(Array.from(line).length).toBeLessThanOrEqual(columns)
    expect(line).not.toMatch(/\p{Cc}|\u202e/u)
  }
})

test('the selected ring is in sight among a hundred', () => {
  const many = Array.from({ length: 100 }, (_, index) => shown(ring(`/ring-${index}`, index)))
  for (const selected of [0, 50, 99]) {
    const lines = screenLines(many, { columns: 100, rows: 24, sort: 'ring', selected, paint })
    expect(lines.filter((line) => line.startsWith('>'))).toEqual([
      expect.stringContaining(`/ring-${selected} `),
    ])
  }
})

test('rings are sorted by the chosen column, after those that cannot be read', () => {
  const names = sorted(RINGS.slice(0, 3), 'waiting').map(({ snapshot: { device } }) => device)
  expect(names).toEqual(['/gone', '/b', '/a'])
})

test('a ring that needs attention has a mark', () => {
  const idle = shown({ ...ring('/idle', 0), waitingItems: 0, consumer: RING.producer })
  const view = { columns: 120, rows: 24, sort: 'ring', selected: 0, paint } as const
  const [, , first, second] = screenLines([idle, shown(BAD)], view)
  expect(first).toMatch(/^> \/idle/)
  expect(second).toMatch(/^ !\/gone +BLOCK_OPEN$/)
})

test('where no damage is seen, the screen says what reads the items too', () => {
  const view = { columns: 80, rows: 24, sort: 'ring', selected: 0, paint } as const
  expect(screenLines([shown(RING)], view)).toContain(
    'Damage    none seen in the metadata; sbr verify reads the items too',
  )
})

test('keys are told apart, several at a time', () => {
  expect(keysIn('\x1b[A\x1bOBq')).toEqual(['up', 'down', 'leave'])
  expect(keysIn('x\x1b\x1b[C\x03')).toEqual(['right', 'leave'])
})
