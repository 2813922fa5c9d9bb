import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { findItem, noSuchItem } from '../../src/cli/device/find-item.ts'
import { lastItems } from '../../src/cli/device/last-items.ts'
import { Mover } from '../../src/cli/input/mover.ts'
import { Pusher } from '../../src/cli/input/pusher.ts'
import { type ItemForm, ItemPrinter } from '../../src/cli/output/items.ts'
import type { Output } from '../../src/cli/output/output.ts'
import { asPosition } from '../../src/position.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { parsePosition } from '../../src/ring/shared/position-text.ts'
import { collect } from '../helpers/collect.ts'
import { BLOCK, DATA, damagedCopy, pushBatches, smallRing, take } from '../helpers/damage.ts'

const { signal } = new AbortController()
const item = (number: number, length = 100): Uint8Array => new Uint8Array(length).fill(number)
const firstOf = ({ item: [first] }: { readonly item: Uint8Array }): number => first ?? -1

/** What is printed, as text. */
function capture(kind: Output['kind'] = 'stream'): Output & { readonly text: () => string } {
  const pieces: Buffer[] = []
  return {
    kind,
    columns: 80,
    write: async (data) => void pieces.push(Buffer.from(data)),
    flush: async () => undefined,
    text: () => Buffer.concat(pieces).toString('latin1'),
  }
}

async function filled(format: 1 | 2): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: 200 })
  await Producer.create(device, { format, ...(format === 2 && { blockSize: 512 }) })
  await pushBatches(device, [[item(1)], [item(2), item(3), item(4)], [item(5)], [item(6)]])
  await take(device, 2)
  return device
}

test.each<[ItemForm, Output['kind'], string]>([
  ['lines', 'stream', 'a\x1b\nb\n'],
  ['lines', 'terminal', 'a\\x1b\nb\n'],
  ['frames', 'file', '\x02\0\0\0a\x1b\x01\0\0\0b'],
  ['raw', 'stream', 'a\x1bb'],
  [
    'json',
    'stream',
    '{"position":"1:1","number":1,"pushedAt":"1970-01-01T00:00:00.007Z","bytes":2,"hex":"611b"}\n' +
      '{"position":"1:2","number":2,"bytes":1,"hex":"62"}\n',
  ],
])('items are printed as %s on a %s', async (form, kind, text) => {
  const output = capture(kind)
  const printer = new ItemPrinter(output, form, 2)
  await printer.add({ item: Buffer.from('a\x1b'), position: parsePosition('1:1'), pushedAt: 7 })
  await printer.add({ item: Buffer.from('b'), position: parsePosition('1:2') })
  await printer.end()
  await printer.end()
  expect(output.text()).toBe(text)
})

test.each([1, 2] as const)('the last items of format %i, oldest first', async (format) => {
  const state = await inspectRing(await filled(format))
  const last = await lastItems(state, 3, false, signal)
  expect(last.items.map(firstOf)).toEqual([4, 5, 6])
  expect((await lastItems(state, 9, false, signal)).items.map(firstOf)).toEqual([3, 4, 5, 6])
  const consumed = await lastItems(state, 9, true, signal)
  expect(consumed.items.map(firstOf)).toEqual(format === 2 ? [1, 2] : [])
  expect(consumed.problem === undefined).toBe(format === 2)
})

test('what is behind damage is kept with the error', async () => {
  const device = await damagedCopy(await filled(2), DATA + 2 * BLOCK + 100)
  const { items, problem } = await lastItems(await inspectRing(device), 9, false, signal)
  expect(items.map(firstOf)).toEqual([6])
  expect(problem).toMatchObject({ code: 'RING_CORRUPT' })
})

test('an item is found by its number or position, from either end', async () => {
  const state = await inspectRing(await filled(2))
  for (const number of [1, 2, 3, 4, 5, 6]) {
    const found = await findItem(state, { number }, signal)
    expect(found && firstOf(found)).toBe(number)
    if (found === undefined) continue
    const again = await findItem(state, { at: found.position }, signal)
    expect(again && firstOf(again)).toBe(number)
  }
  const next = await findItem(state, {}, signal)
  expect(next && firstOf(next)).toBe(3)
  expect(await findItem(state, { number: 7 }, signal)).toBeUndefined()
  // Of another epoch.
  expect(await findItem(state, { at: parsePosition('9:3') }, signal)).toBeUndefined()
  expect(noSuchItem('r', state, { number: 1 }).message).toMatch(/number 1 now.*it was consumed/)
  expect(noSuchItem('r', state, { at: parsePosition('2:9') }).message).toMatch(
    /2:9 now: unacknowledged items are from/,
  )
  expect(noSuchItem('r', state, {})).toMatchObject({ code: 'CLI_EMPTY', exitCode: 3 })
  const old = await inspectRing(await filled(1))
  const [first, second] = await collect(old.items())
  const found = await findItem(old, { at: second?.position ?? asPosition(0n) }, signal)
  expect(found).toEqual(second)
  expect(first?.position).not.toBe(second?.position)
  expect(await findItem(old, { at: asPosition(4n) }, signal)).toBeUndefined()
})

test('a mover acknowledges what the other ring has, and skips damage if it may', async () => {
  const device = await damagedCopy(await filled(2), DATA + 2 * BLOCK + 100)
  const other = await smallRing(64)
  const output = capture()
  await using consumer = await Consumer.attach(device)
  await using pusher = await Pusher.open(other, {}, { wait: false, signal, notice: undefined })
  const careful = new Mover(consumer, { count: 9, json: true }, output, signal)
  for (const items of await careful.next()) await careful.move(items, pusher)
  await expect(careful.next()).rejects.toMatchObject({ code: 'RING_DAMAGED' })
  expect([careful.moved, careful.bytes]).toEqual([2, 200])
  const mover = new Mover(consumer, { count: 9, skipDamage: true }, output, signal)
  for (const items of await mover.next()) await mover.move(items, pusher)
  expect(await mover.next()).toEqual([])
  mover.end()
  expect((await collect((await inspectRing(other)).items())).map(firstOf)).toEqual([3, 4, 6])
  expect((await inspectRing(device)).waitingItems).toBe(0)
  const lines = output.text().trim().split('\n')
  expect(lines.map((line) => JSON.parse(line).number)).toEqual([3, 4])
})
