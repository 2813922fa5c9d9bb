import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { isRingError } from '../../src/errors.ts'
import { Consumer, inspectRing, Producer } from '../../src/ring/ring.ts'
import { collect } from '../helpers/collect.ts'

const folder = new URL('../golden/', import.meta.url)

/** What a sidecar says of its image, as far as the tests use it. */
interface Sidecar {
  name: string
  image: string
  sector_size: number
  size_bytes: number
  size_sectors: number
  sha256: string
  queue: string | null
  client: string | null
  made_by: Step[]
  expect: {
    producer: number
    consumer: number
    suspend_ack_byte: number
    suspend_byte: number
    suspend_ack: boolean
    suspend: boolean
    producer_debug_text: string | null
    consumer_debug_text: string | null
    data_bytes: number
    used: number
    free: number
    items_hex: string[]
    item_end_positions: number[]
  }
  consumer_state?: 'Running' | 'Suspended'
}

type Step = string | { driver?: string; frames?: string[]; rc?: number; cli?: string }

function sidecars(corrupt: boolean): Sidecar[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json') && file.startsWith('corrupt-') === corrupt)
    .map((file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Sidecar)
}

function image(sidecar: Sidecar): Uint8Array {
  const bytes = new Uint8Array(readFileSync(new URL(sidecar.image, folder)))
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(sidecar.sha256)
  return bytes
}

async function contents(device: MemoryBlockDevice): Promise<Uint8Array> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const bytes = new Uint8Array(sectorSize * sizeSectors)
  await device.read(0, [bytes])
  return bytes
}

function open(sidecar: Sidecar): Promise<MemoryBlockDevice> {
  return MemoryBlockDevice.from(image(sidecar), { sectorSize: sidecar.sector_size })
}

const hex = (item: Uint8Array): string => Buffer.from(item).toString('hex')

test('there are golden images to read', () => {
  expect(sidecars(false)).toHaveLength(18)
  expect(sidecars(true)).toHaveLength(12)
})

describe.each(sidecars(false))('$name: $note', (sidecar) => {
  const { expect: expected } = sidecar

  test('is inspected as its sidecar says', async () => {
    const device = await open(sidecar)
    const ring = await inspectRing(device)
    expect(ring).toMatchObject({
      format: 1,
      sectorSize: sidecar.sector_size,
      sizeSectors: sidecar.size_sectors,
      capacity: expected.data_bytes,
      used: expected.used,
      free: expected.free,
      producer: {
        offset: BigInt(expected.producer),
        suspendAck: expected.suspend_ack,
        text: expected.producer_debug_text ?? '',
      },
      consumer: {
        offset: BigInt(expected.consumer),
        suspend: expected.suspend,
        text: expected.consumer_debug_text ?? '',
      },
    })
    const items = await collect(ring.items())
    expect(items.map(({ item }) => hex(item))).toEqual(expected.items_hex)
    expect(items.map(({ position }) => Number(position))).toEqual(expected.item_end_positions)
  })

  test('is popped as its sidecar says, and changes only when advanced', async () => {
    const device = await open(sidecar)
    await using consumer = await Consumer.attach(device)
    expect(await consumer.debugInfo()).toEqual({
      'producer/offset': String(expected.producer),
      'producer/suspend_ack': String(expected.suspend_ack_byte),
      'consumer/offset': String(expected.consumer),
      'consumer/suspend': String(expected.suspend_byte),
    })
    if (sidecar.consumer_state !== undefined) {
      expect(await consumer.state()).toBe(sidecar.consumer_state.toLowerCase())
    }
    const { accumulator } = await consumer.fold<string[]>((all, item) => [...all, hex(item)], [])
    expect(accumulator).toEqual(expected.items_hex)
    expect(hex(await contents(device))).toBe(hex(image(sidecar)))

    for (const [index, wanted] of expected.items_hex.entries()) {
      const popped = await consumer.pop()
      if (popped.status !== 'item') throw new Error(`no item ${index}`)
      expect(hex(popped.item)).toBe(wanted)
      expect(popped.position).toBe(BigInt(expected.item_end_positions[index] ?? -1))
      await consumer.advance(popped.position)
    }
    expect(await consumer.pop()).toEqual({ status: 'retry' })
    expect(consumer.position).toBe(BigInt(expected.producer))
  })
})
