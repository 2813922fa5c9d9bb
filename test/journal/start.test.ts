import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { text } from '../../src/codec/index.ts'
import { Journal, type JournalOptions, type PerformContext } from '../../src/journal/index.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { suspendRing } from '../../src/ring/queue/suspend.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { collect } from '../helpers/collect.ts'
import {
  deviceBytes,
  type Golden,
  goldenBytes,
  goldenDevice,
  goldens,
  hex,
} from '../helpers/golden.ts'
import { smallRing } from '../helpers/ring.ts'
import { SECTORS, startRig } from './helpers.ts'

function golden(name: string): Golden {
  const found = goldens(false).find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error(`there is no golden image ${name}`)
  return found
}

const succeed = async (): Promise<void> => undefined

describe('journals of the original', () => {
  test('are performed where they left off', async () => {
    const image = golden('journal-unperformed')
    const device = await goldenDevice(image)
    const calls: (PerformContext & { items: string[] })[] = []
    const journal = await Journal.open(device, async (operations, context) => {
      calls.push({ items: operations.map(hex), ...context })
    })
    await journal.sync()
    await journal.close()
    expect(calls).toMatchObject([{ items: image.expect.items_hex, attempt: 1, mayHaveRun: true }])
    const after = await inspectRing(device)
    expect(after).toMatchObject({
      usedBytes: 0,
      consumer: { position: BigInt(image.expect.producer) },
    })
  })

  test('start with nothing to perform if they are empty', async () => {
    const image = golden('journal-started-empty')
    const device = await goldenDevice(image)
    const journal = await Journal.open(device, () => Promise.reject(new Error('nothing to do')))
    await journal.sync()
    expect(journal.status()).toMatchObject({ pendingOperations: 0, pendingBytes: 0, attempt: 0 })
    await journal.close()
    expect(hex(await deviceBytes(device))).toBe(hex(goldenBytes(image)))
  })
})

describe('the bytes are those of the original, so it can replay ours', () => {
  test('three operations, and killed before they are performed', async () => {
    const image = golden('journal-unperformed')
    const device = new MemoryBlockDevice({ sizeSectors: image.size_sectors })
    const journal = await Journal.open(device, succeed, {
      ...{ queue: image.queue ?? '', client: image.client ?? '' },
      performIntervalMs: 60_000,
      createIfMissing: { format: 1 },
    })
    for (const operation of image.expect.items_hex) {
      await journal.push(new Uint8Array(Buffer.from(operation, 'hex')))
    }
    expect(hex(await deviceBytes(device))).toBe(hex(goldenBytes(image)))
    await journal.close()
    expect(hex(await deviceBytes(device))).toBe(hex(goldenBytes(image)))
  })

  test('started and shut down', async () => {
    const image = golden('journal-started-empty')
    const device = new MemoryBlockDevice({ sizeSectors: image.size_sectors })
    await (await Journal.open(device, succeed, { createIfMissing: { format: 1 } })).close()
    expect(hex(await deviceBytes(device))).toBe(hex(goldenBytes(image)))
  })
})

describe('a ring that was suspended is resumed, because nobody else would', () => {
  async function suspended(granted: boolean): Promise<MemoryBlockDevice> {
    const device = await smallRing()
    await using consumer = await Consumer.attach(device)
    await consumer.suspend()
    if (granted) {
      expect(await Producer.attach(device)).toEqual({ status: 'suspended' })
    }
    return device
  }

  test.each([true, false])('granted: %s', async (granted) => {
    const device = await suspended(granted)
    const { journal, calls } = await startRig({}, device)
    await (await journal.push('a')).done
    expect(calls).toHaveLength(1)
    await journal.close()
  })

  test('resumed, but not granted', async () => {
    const device = await suspended(true)
    await using consumer = await Consumer.attach(device)
    expect(await consumer.resume()).toEqual({ status: 'ok' })
    await consumer.close()
    const { journal } = await startRig({}, device)
    await (await journal.push('a')).done
    await journal.close()
  })

  test('nobody else can suspend it while it runs', async () => {
    const { journal, device } = await startRig({ performIntervalMs: 0 })
    await expect(suspendRing(device)).rejects.toMatchObject({ code: 'BLOCK_CLAIMED' })
    await (await journal.push('a')).done
    await journal.close()
  })
})

describe('starting is refused', () => {
  const start = (options: JournalOptions<Uint8Array>): Promise<Journal> =>
    Journal.open(new MemoryBlockDevice({ sizeSectors: SECTORS }), succeed, options)

  test.each<JournalOptions<Uint8Array>>([
    { performIntervalMs: -1 },
    { performIntervalMs: Number.NaN },
    { backoff: { firstMs: 2 ** 31 } },
    { attempts: 0 },
    { maxPerformItems: 0 },
    { maxPerformBytes: 0 },
    { graceMs: Number.POSITIVE_INFINITY },
  ])('%o', async (options) => {
    await expect(start(options)).rejects.toBeInstanceOf(RangeError)
  })

  test('with an unknown policy', async () => {
    const deadLetter = 'somewhere' as never
    await expect(start({ deadLetter })).rejects.toBeInstanceOf(TypeError)
  })

  test('for a second journal on the device', async () => {
    const device = await smallRing()
    await using _first = await Journal.open(device, succeed, { client: 'the first' })
    await expect(Journal.open(device, succeed)).rejects.toMatchObject({
      code: 'BLOCK_CLAIMED',
      details: { holder: expect.stringContaining('the first') },
    })
  })

  test('with a signal that is already aborted', async () => {
    const device = new MemoryBlockDevice({ sizeSectors: SECTORS })
    const signal = AbortSignal.abort(new Error('too late'))
    await expect(Journal.open(device, succeed, { signal })).rejects.toThrow('too late')
    expect((await deviceBytes(device)).every((byte) => byte === 0)).toBe(true)
  })
})

test('operations that many processes pushed one after another are performed', async () => {
  const device = await smallRing(64 * 1024)
  const names = Array.from({ length: 90 }, (_, n) => `op ${n}`)
  for (const name of names) {
    await using writer = await RingWriter.open(device, { codec: text })
    await writer.push(name)
  }
  const { journal, calls } = await startRig({ maxPerformItems: 1 }, device)
  await journal.sync()
  expect(calls.map(({ operations }) => operations[0])).toEqual(names)
  await journal.close()
})

test('the signal shuts a running journal down', async () => {
  const stop = new AbortController()
  const { journal, device } = await startRig({ signal: stop.signal, performIntervalMs: 1e9 })
  const { done } = await journal.push('a')
  stop.abort('enough')
  await journal.ended
  await expect(done).rejects.toMatchObject({ code: 'JOURNAL_CLOSED', cause: 'enough' })
  expect(await collect((await inspectRing(device)).items())).toHaveLength(1)
})
