import { describe, expect, test } from 'vitest'
import type { MemoryBlockDevice } from '../../src/block/memory.ts'
import { deadLetters } from '../../src/codec/dead-letter.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import type { DeadLetter } from '../../src/ring/queue/process/types.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { formatPosition } from '../../src/ring/shared/position-text.ts'
import { collect } from '../helpers/collect.ts'
import { FORMAT } from '../helpers/format.ts'
import { smallRing } from '../helpers/ring.ts'
import { type Behaviour, startRig } from './helpers.ts'

/** Fails every call that has an operation `poison` in it. */
const poisoned: Behaviour = async ({ operations }) => {
  if (operations.includes('poison')) throw new Error('cannot be done')
}

const MANY_MS = 1e7

describe('stop', () => {
  test('ends the journal at the operation that keeps failing, after those before it', async () => {
    const rig = await startRig({ attempts: 2, performIntervalMs: 10 })
    const { journal, clock, device, calls, behave } = rig
    behave(poisoned)
    const names = ['a', 'b', 'poison', 'c']
    const receipts = await Promise.all(names.map((name) => journal.push(name)))
    await clock.advance(MANY_MS)
    const error = {
      code: 'JOURNAL_STOPPED',
      details: { position: formatPosition(receipts[2]?.position ?? 0n, FORMAT), attempts: 2 },
      cause: { message: 'cannot be done' },
    }
    await expect(journal.ended).rejects.toMatchObject(error)
    await receipts[1]?.done
    await expect(receipts[2]?.done).rejects.toMatchObject(error)
    await expect(receipts[3]?.done).rejects.toMatchObject(error)
    await expect(journal.push('d')).rejects.toMatchObject(error)
    expect(calls.map(({ operations }) => operations.join())).toEqual([
      'a,b,poison,c',
      'a,b,poison,c',
      'a',
      'b',
      'poison',
      'poison',
    ])
    const left = await collect((await inspectRing(device)).items())
    expect(left.map(({ item }) => new TextDecoder().decode(item))).toEqual(['poison', 'c'])
  })
})

describe('dead letter', () => {
  test('is only the operation at fault, stored durably before it is skipped', async () => {
    const letters: (DeadLetter<string> & { consumer: bigint })[] = []
    const deadLetter = async (letter: DeadLetter<string>): Promise<void> => {
      const { consumer } = await inspectRing(rig.device)
      letters.push({ ...letter, consumer: consumer.position })
    }
    const rig = await startRig({ deadLetter, attempts: 4, performIntervalMs: 10 })
    const { journal, clock, calls, behave } = rig
    behave(poisoned)
    const names = ['a', 'poison', 'b', 'c']
    const receipts = await Promise.all(names.map((name) => journal.push(name)))
    await clock.advance(MANY_MS)
    const batches = calls.map(({ operations }) => operations.join())
    expect(batches.slice(0, 3)).toEqual(Array(3).fill(names.join()))
    expect(batches.slice(3)).toEqual(['a', ...Array(4).fill('poison'), 'b', 'c'])
    expect(letters).toMatchObject([
      {
        ...{ item: 'poison', attempts: 4 },
        position: formatPosition(receipts[1]?.position ?? 0n, FORMAT),
        error: { message: 'cannot be done' },
        consumer: receipts[0]?.position,
      },
    ])
    await expect(receipts[1]?.done).rejects.toMatchObject({ code: 'JOURNAL_DEAD_LETTERED' })
    await Promise.all([receipts[0]?.done, receipts[2]?.done, receipts[3]?.done])
    await journal.sync()
    await journal.close()
  })

  test.each(['device', 'writer'])(
    'goes to the %s of a ring, with where it comes from',
    async (by) => {
      const dead = await smallRing(2048)
      await using writer = by === 'writer' ? await RingWriter.open(dead) : undefined
      const rig = await startRig({ deadLetter: writer ?? dead, attempts: 1 })
      const { journal, device, behave } = rig
      behave(poisoned)
      const { done, position } = await journal.push('poison')
      await expect(done).rejects.toMatchObject({ code: 'JOURNAL_DEAD_LETTERED' })
      const [stored] = await collect((await inspectRing(dead)).items())
      const letter = await deadLetters.decode(stored?.item ?? new Uint8Array())
      const { ring } = await inspectRing(device)
      expect(letter).toMatchObject({
        ...{ bytes: new TextEncoder().encode('poison'), attempts: 1, reason: 'cannot be done' },
        ...{ ring: ring?.uuid ?? device.name, position: formatPosition(position, FORMAT) },
      })
      await journal.close()
    },
  )

  test('may not go into the journal itself', async () => {
    const device = await smallRing()
    const deadLetter = device
    await expect(startRig({ deadLetter }, device)).rejects.toThrow(RangeError)
    // The roles are free again.
    await (await startRig({}, device)).journal.close()
  })

  test('that its ring can never take ends the journal, and the operation stays', async () => {
    const deadLetter = await smallRing(4096)
    const rig = await startRig({ deadLetter, attempts: 1 })
    const { journal, device, behave } = rig
    behave(async () => ({ error: 'no' }))
    await journal.push('x'.repeat(6000))
    await expect(journal.ended).rejects.toMatchObject({
      code: 'JOURNAL_DEVICE',
      cause: { code: 'RING_ITEM_TOO_LARGE' },
    })
    expect((await inspectRing(device)).usedBytes).toBeGreaterThan(0)
  })

  test('that fails is retried, and the operation is not lost', async () => {
    let failures = 2
    const letters: string[] = []
    const deadLetter = async ({ item = '' }: DeadLetter<string>): Promise<void> => {
      if (failures-- > 0) throw new Error('no room')
      letters.push(item)
    }
    const rig = await startRig({ deadLetter, attempts: 1 })
    const { journal, clock, device, calls, behave } = rig
    behave(poisoned)
    await journal.push('poison')
    await clock.settle()
    expect(journal.status()).toMatchObject({
      lastError: { message: 'no room' },
      pendingOperations: 1,
    })
    expect((await inspectRing(device)).usedBytes).toBeGreaterThan(0)
    await clock.advance(15_000)
    expect(letters).toEqual(['poison'])
    expect(calls).toHaveLength(1)
    await journal.close()
  })

  test('in progress at close leaves the operation for the next start', async () => {
    await using writer = await RingWriter.open(await smallRing(512))
    await writer.push(new Uint8Array(writer.producer.maxItemBytes))
    while ((await writer.tryPush(new Uint8Array(1))).status === 'ok');
    const deadLetter = writer
    const { journal, device, clock, behave } = await startRig({ deadLetter, attempts: 1 })
    behave(poisoned)
    const { done } = await journal.push('poison')
    await clock.settle()
    await journal.close()
    await expect(done).rejects.toMatchObject({ code: 'JOURNAL_CLOSED' })
    expect((await inspectRing(device)).usedBytes).toBeGreaterThan(0)
  })
})

describe('an operation that does not decode', () => {
  const start = (options: Parameters<typeof startRig>[0], device?: MemoryBlockDevice) =>
    startRig(
      {
        ...options,
        codec: {
          name: 'a test codec',
          encode: (item: string) => new TextEncoder().encode(item),
          decode: (item: Uint8Array) => {
            const decoded = new TextDecoder().decode(item)
            if (decoded === 'poison') throw new Error('what is this?')
            // What a codec does to its bytes is its own affair.
            item.fill(0)
            return decoded
          },
        },
      },
      device,
    )

  test.each([{}, { attempts: 10 }])(
    '%o: ends the journal after those before it',
    async (policy) => {
      const { journal, clock, calls } = await start({ ...policy, performIntervalMs: 10 })
      const receipts = await Promise.all(['a', 'poison', 'b'].map((name) => journal.push(name)))
      await clock.advance(10)
      await receipts[0]?.done
      const error = { code: 'JOURNAL_UNDECODABLE', cause: { code: 'CODEC_DECODE' } }
      await expect(journal.ended).rejects.toMatchObject(error)
      await expect(receipts[1]?.done).rejects.toMatchObject(error)
      expect(calls.map(({ operations }) => operations)).toEqual([['a']])
    },
  )

  test('deadLetter: is handed over, and those around it are performed in order', async () => {
    const letters: DeadLetter<string>[] = []
    const deadLetter = async (letter: DeadLetter<string>): Promise<void> =>
      void letters.push(letter)
    const { journal, calls } = await start({ deadLetter })
    const receipts = await Promise.all(['a', 'poison', 'b'].map((name) => journal.push(name)))
    await expect(receipts[1]?.done).rejects.toMatchObject({ code: 'JOURNAL_DEAD_LETTERED' })
    await receipts[2]?.done
    expect(calls.flatMap(({ operations }) => operations)).toEqual(['a', 'b'])
    expect(letters).toMatchObject([{ attempts: 0, error: { code: 'CODEC_DECODE' } }])
    expect(new TextDecoder().decode(letters[0]?.bytes)).toBe('poison')
    expect(letters[0]).not.toHaveProperty('item')
    await journal.close()
  })
})
