import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test as base, expect, onTestFinished } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { toPosition } from '../../src/ring/format2/position.ts'
import type { TraceEvent, TraceKey } from '../../src/ring/trace.ts'
import { attachProducer, ringDevice } from '../helpers/ring.ts'

const KEYS: readonly TraceKey[] = ['producer', 'suspend_ack', 'consumer', 'suspend']
const NAMES = { queue: 'traced', client: 'test' }
const ITEM = new Uint8Array(1)

/** What is published while a test runs, of the queue `traced`. */
const test = base.extend<{ seen: string[] }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from the pattern.
  seen: async ({}, use) => {
    const seen: string[] = []
    const listen = (message: unknown): void => {
      const { operation, key, value, queue, client } = message as TraceEvent
      if (queue === NAMES.queue && client === NAMES.client) {
        seen.push(`${operation} ${key} ${value}`)
      }
    }
    for (const key of KEYS) subscribe(`shared-block-ring:${key}`, listen)
    onTestFinished(() => {
      for (const key of KEYS) unsubscribe(`shared-block-ring:${key}`, listen)
    })
    await use(seen)
  },
})

/** What a look at all four fields publishes. */
function look(producer: bigint, ack: boolean, consumer: bigint, suspend: boolean): string[] {
  return [
    `get producer ${producer}`,
    `get suspend_ack ${ack}`,
    `get consumer ${consumer}`,
    `get suspend ${suspend}`,
  ]
}

/** Without what is the same as what came just before: how often it is looked does not matter. */
function once(seen: readonly string[]): string[] {
  const told = new Map<string, string>()
  return seen.filter((line) => {
    const [operation, key, value] = line.split(' ') as [string, string, string]
    const isNew = operation === 'set' || told.get(key) !== value
    told.set(key, value)
    return isNew
  })
}

test('every get and set of the four fields is published, in format 1', async ({ seen }) => {
  const device = await ringDevice()
  const consumer = await Consumer.attach(device, NAMES)
  await consumer.suspend()
  await Producer.attach(device, NAMES)
  expect(seen).toEqual([
    ...look(0n, false, 0n, false),
    ...look(0n, false, 0n, false),
    'set consumer 0',
    'set suspend true',
    ...look(0n, false, 0n, true),
    ...look(0n, false, 0n, true),
    'set producer 0',
    'set suspend_ack true',
  ])
})

test('every get and set of the four fields is published, in format 2', async ({ seen }) => {
  const device = new MemoryBlockDevice({ sizeSectors: 512 })
  await Producer.create(device)
  const made = toPosition(1, 0)
  const consumer = await Consumer.attach(device, NAMES)
  await consumer.suspend()
  await Producer.attach(device, NAMES)
  expect(once(seen)).toEqual([
    ...look(made, false, made, false),
    // A wish is written into both slots.
    `set consumer ${made}`,
    'set suspend true',
    `set consumer ${made}`,
    'set suspend true',
    `set producer ${made}`,
    'set suspend_ack true',
  ])
})

test('an append of format 2 publishes the new state of the producer, and each refresh what the slots say', async ({
  seen,
}) => {
  const device = new MemoryBlockDevice({ sizeSectors: 512 })
  await Producer.create(device)
  await using producer = await attachProducer(device, { ...NAMES, refreshIntervalMs: 0 })
  const begun = toPosition(2, 0)
  const lease = { owner: 'here' }
  await using consumer = await Consumer.attach(device, { ...NAMES, refreshIntervalMs: 0, lease })
  seen.length = 0
  const pushed = await producer.append([ITEM, ITEM])
  expect(seen).toEqual([
    ...look(begun, false, toPosition(1, 0), false),
    `set producer ${producer.position}`,
  ])
  expect(pushed).toMatchObject({ status: 'ok', position: toPosition(2, 2) })
  seen.length = 0
  await consumer.popMany()
  await consumer.advance(producer.position)
  expect(seen.filter((line) => line.startsWith('set'))).toEqual([
    `set consumer ${producer.position}`,
    'set suspend false',
  ])
  expect(consumer.position).toBe(producer.position)
  seen.length = 0
  await producer.push(ITEM)
  // It is not committed, so that nothing is set.
  expect(seen).toEqual(look(begun, false, toPosition(2, 2), false))
  seen.length = 0
  await producer.advance(producer.position)
  expect(seen.filter((line) => line.startsWith('set'))).toEqual([
    `set producer ${producer.position}`,
  ])
})
