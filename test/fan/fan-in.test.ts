import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { json, text } from '../../src/codec/index.ts'
import { BlockError, isCodecError, isRingError } from '../../src/errors.ts'
import { receiveFrom } from '../../src/fan/index.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { collect } from '../helpers/collect.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { hung, left, named, ring, turn } from './rings.ts'

test('rings take turns, and each keeps its order', async () => {
  const rings = [await ring(named('a', 300)), await ring(named('b', 300)), await ring(['c0', 'c1'])]
  const fan = receiveFrom(rings.map(({ reader }) => reader))
  const got: string[] = []
  for await (const { entry } of fan) {
    got.push(entry.item)
    await entry.ack()
    if (got.length === 602) break
  }
  for (const name of ['a', 'b', 'c']) {
    const own = got.filter((item) => item.startsWith(name))
    expect(own).toEqual(named(name, own.length))
  }
  // A ring with two items does not wait for those with hundreds.
  expect(got.indexOf('c1')).toBeLessThan(200)
  expect(got.slice(0, 400).filter((item) => item.startsWith('b')).length).toBeGreaterThan(100)
  await fan.close()
  for (const each of rings) expect(await left(each)).toEqual([])
})

test('an item that was not received stays in its ring, and its reader delivers it', async () => {
  const one = await ring(named('a', 200))
  const fan = receiveFrom([one.reader])
  for (let taken = 0; taken < 3; taken++) await (await fan.receive()).entry.ack()
  const unacked = await fan.receive()
  await fan.remove(one.reader)
  expect(fan.readers).toEqual([])
  expect((await one.reader.receive()).item).toBe('a4')
  await unacked.entry.ack()
  await one.reader.flush()
  expect((await left(one))[0]).toBe('a4')
  await one.reader.rewind()
  fan.add(one.reader)
  const { entry, reader } = await fan.receive()
  expect([entry.item, reader]).toEqual(['a4', one.reader])
})

test('rings are added and removed while a loop waits', async () => {
  const [one, other] = [await ring(), await ring()]
  const fan = receiveFrom<string>([])
  const received = fan.receive()
  fan.add(one.reader)
  await one.writer.push('a0')
  expect((await received).entry.item).toBe('a0')
  await fan.remove(one.reader)
  const next = fan.receive()
  await one.writer.push('a1')
  fan.add(other.reader)
  await other.writer.push('b0')
  expect((await next).entry.item).toBe('b0')
  await fan.remove(one.reader)
  expect((await one.reader.receive()).item).toBe('a1')
  expect(() => fan.add(other.reader)).toThrow('is in already')
  expect(() => fan.add({} as RingReader<string>)).toThrow('takes RingReaders, not an object')
})

test('a ring that fails does not stop the others', async () => {
  const broken = await ring(named('a', 3))
  const hooked = new HookedDevice(broken.device)
  await broken.reader.close()
  const reader = await RingReader.open(hooked, { codec: text })
  hooked.before = ({ operation }) => {
    if (operation === 'read') throw new BlockError('BLOCK_IO', 'no', { device: 'hooked' })
  }
  const sound = await ring(named('b', 3))
  const fan = receiveFrom([reader, sound.reader])
  await expect(fan.receive()).rejects.toMatchObject({ code: 'BLOCK_IO' })
  expect(fan.readers).toEqual([sound.reader])
  expect((await fan.receive()).entry.item).toBe('b0')
  hooked.before = () => undefined
  fan.add(reader)
  const items: string[] = []
  for (let taken = 0; taken < 3; taken++) items.push((await fan.receive()).entry.item)
  expect(items).toContain('a0')
})

test('an item that does not decode is thrown, and the ring continues after it', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 1024 })
  await using writer = await RingWriter.open(device, { createIfMissing: true, codec: text })
  await writer.pushMany(['1', 'no json', '3'])
  await using reader = await RingReader.open(device, { codec: json<number>() })
  const failed: unknown[] = []
  const fan = receiveFrom([reader], {
    onFailed: (error, of) => {
      expect(of).toBe(reader)
      failed.push(error)
    },
  })
  const items = [await fan.receive(), await fan.receive()].map(({ entry }) => entry.item)
  expect(items).toEqual([1, 3])
  expect(failed.map(isCodecError)).toEqual([true])
  await fan.close()
})

test('an item that does not decode while its ring is removed comes again', async () => {
  const { reader, release } = await hung(['no json', '"b"'], json<string>())
  const failed: unknown[] = []
  const fan = receiveFrom([reader], { onFailed: (error) => failed.push(error) })
  const received = fan.receive()
  await turn()
  const removed = fan.remove(reader)
  release()
  await removed
  expect(failed).toEqual([])
  await expect(reader.receive()).rejects.toSatisfy(isCodecError)
  expect((await reader.receive()).item).toBe('b')
  await fan.close()
  await expect(received).rejects.toMatchObject({ code: 'RING_CLOSED' })
})

test('a reader that was closed is refused', async () => {
  const [one, other] = [await ring(), await ring()]
  await one.reader.close()
  const { name } = one.device
  const refused = expect.objectContaining({
    code: 'RING_CLOSED',
    message: expect.stringContaining(`reader of ${name} was closed: open it again, and add it`),
    details: { device: name },
  })
  expect(() => receiveFrom([other.reader, one.reader])).toThrow(refused)
  const fan = receiveFrom([other.reader])
  expect(() => fan.add(one.reader)).toThrow(refused)
  expect(fan.readers).toEqual([other.reader])
})

test('a reader that is closed meanwhile has failed, as its waiting call is told', async () => {
  const [one, other] = [await ring(), await ring()]
  const fan = receiveFrom([one.reader, other.reader])
  const received = fan.receive()
  await one.reader.close()
  await expect(received).rejects.toMatchObject({
    code: 'RING_CLOSED',
    details: { device: one.device.name },
  })
  expect(fan.readers).toEqual([other.reader])
  await other.writer.push('b0')
  expect((await fan.receive()).entry.item).toBe('b0')
})

test('closed readers leave with onFailed, and a closed fan-in ends its loops', async () => {
  const [one, other] = [await ring(), await ring(['b0'])]
  const failed: unknown[] = []
  const fan = receiveFrom([one.reader, other.reader], {
    onFailed: (error, reader) => failed.push([isRingError(error) && error.code, reader]),
  })
  const loop = collect(fan.entries())
  await one.reader.close()
  await other.writer.push('b1')
  while (failed.length === 0) await turn()
  expect(failed).toEqual([['RING_CLOSED', one.reader]])
  await turn()
  await fan.close()
  const items = (await loop).map(({ entry }) => entry.item)
  expect(items).toEqual(named('b', items.length))
  await fan.receive().catch((error: unknown) => {
    expect(isRingError(error) && error.code).toBe('RING_CLOSED')
  })
  expect(() => fan.add(other.reader)).toThrow('closed')
  await other.reader.flush()
  expect(await left(other)).toEqual(['b0', 'b1'])
})

test('a signal ends a loop without an error, and a call with its reason', async () => {
  const { reader } = await ring(['a0', 'a1'])
  await using fan = receiveFrom([reader])
  const stop = new AbortController()
  const items: string[] = []
  for await (const { entry } of fan.entries({ signal: stop.signal })) {
    items.push(entry.item)
    if (items.length === 2) setImmediate(() => stop.abort(new Error('enough')))
  }
  expect(items).toEqual(['a0', 'a1'])
  await expect(fan.receive({ signal: stop.signal })).rejects.toThrow('enough')
})

test('many entries at once: rings take turns, each keeps its order, and the bounds hold', async () => {
  const rings = [await ring(named('a', 3)), await ring(named('b', 100)), await ring(['c0'])]
  await using fan = receiveFrom(rings.map(({ reader }) => reader))
  // All three have read ahead by then.
  const first = await fan.receive()
  expect(first.entry.item).toBe('a0')
  await turn()
  const seven = await fan.receiveMany({ maxItems: 7 })
  expect(seven.map(({ entry }) => entry.item)).toEqual(['b0', 'c0', 'a1', 'b1', 'a2', 'b2', 'b3'])
  expect(seven[0]?.reader).toBe(rings[1]?.reader)
  const bounded = await fan.receiveMany({ maxBytes: 3 })
  expect(bounded.map(({ entry }) => entry.item)).toEqual(['b4', 'b5'])
  const got: string[] = []
  while (got.length < 94) {
    for (const { entry } of await fan.receiveMany()) got.push(entry.item)
  }
  expect(got).toEqual(named('b', 100).slice(6))
  for (const bad of [{ maxItems: 0 }, { maxBytes: 0 }]) {
    await expect(fan.receiveMany(bad)).rejects.toThrow(RangeError)
    await expect(fan.tryReceiveMany(bad)).rejects.toThrow(RangeError)
  }
})

test('many entries wait for the first one, and for no more', async () => {
  const [one, other] = [await ring(), await ring()]
  await using fan = receiveFrom([one.reader, other.reader])
  const received = fan.receiveMany()
  await turn()
  await one.writer.push('a0')
  expect((await received).map(({ entry }) => entry.item)).toEqual(['a0'])
  const stop = new AbortController()
  const stopped = fan.receiveMany({ signal: stop.signal })
  stop.abort(new Error('enough'))
  await expect(stopped).rejects.toThrow('enough')
  const ended = fan.receiveMany()
  const rejected = expect(ended).rejects.toMatchObject({ code: 'RING_CLOSED' })
  await fan.close()
  await rejected
})

test('entries before an error are answered first', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 1024 })
  await using writer = await RingWriter.open(device, { createIfMissing: true, codec: text })
  await writer.pushMany(['1', 'no json', '3'])
  await using reader = await RingReader.open(device, { codec: json<number>() })
  await using fan = receiveFrom([reader])
  const got: unknown[] = []
  for (let calls = 0; calls < 3; calls++) {
    const received = await fan.receiveMany().catch((error: unknown) => error)
    got.push(Array.isArray(received) ? received.map(({ entry }) => entry.item) : received)
  }
  expect(got).toEqual([[1], expect.objectContaining({ code: 'CODEC_DECODE' }), [3]])
})

test('without waiting: what there is now, in any ring', async () => {
  const [one, other] = [await ring(), await ring()]
  await using fan = receiveFrom([one.reader, other.reader])
  expect(await fan.tryReceive()).toBeUndefined()
  expect(await fan.tryReceiveMany()).toEqual([])
  // The readers wait by now, and may not have noticed: it looks.
  await other.writer.pushMany(['b0', 'b1'])
  expect((await fan.tryReceive())?.entry.item).toBe('b0')
  await one.writer.push('a0')
  const rest = [...(await fan.tryReceiveMany()), ...(await fan.tryReceiveMany())]
  expect(rest.map(({ entry }) => entry.item).sort()).toEqual(['a0', 'b1'])
  expect(await fan.tryReceiveMany({ maxItems: 5 })).toEqual([])
  const waiting = fan.receive()
  expect(await fan.tryReceive()).toBeUndefined()
  await one.writer.push('a1')
  expect((await waiting).entry.item).toBe('a1')
})

test('without waiting: a ring whose device hangs holds up only an answer that nothing is there', async () => {
  const { reader, release } = await hung(['a0'])
  const sound = await ring(['b0'])
  await using fan = receiveFrom([reader, sound.reader])
  expect((await fan.tryReceive())?.entry.item).toBe('b0')
  const stop = new AbortController()
  const nothing = fan.tryReceiveMany({ signal: stop.signal })
  await turn()
  stop.abort(new Error('enough'))
  await expect(nothing).rejects.toThrow('enough')
  const next = fan.tryReceive()
  release()
  expect((await next)?.entry.item).toBe('a0')
})

test('a reader that is still moving is refused, so that nothing is passed over', async () => {
  const { reader } = await ring(named('a', 3))
  for (let taken = 0; taken < 3; taken++) await reader.receive()
  const rewinding = reader.rewind()
  expect(() => receiveFrom([reader])).toThrow('or moves its reader, is under way')
  await rewinding
  await using fan = receiveFrom([reader])
  expect((await fan.receive()).entry.item).toBe('a0')
})

test('while a fan-in has a reader, nothing else receives from it', async () => {
  const one = await ring(named('a', 3))
  const waits = await ring()
  const fan = receiveFrom([one.reader])
  const calls: readonly (() => Promise<unknown>)[] = [
    () => one.reader.receive(),
    () => one.reader.tryReceiveMany(),
    () => one.reader.rewind(),
    () => one.reader.process(() => undefined),
  ]
  for (const call of calls) await expect(call()).rejects.toThrow('a FanIn receives alone')
  expect(() => receiveFrom([one.reader])).toThrow(TypeError)
  const received = waits.reader.receive()
  expect(() => fan.add(waits.reader)).toThrow('is under way: end it first')
  await waits.writer.push('b0')
  await (await received).ack()
  // One that cannot be made has no reader.
  expect(() => receiveFrom([waits.reader, one.reader])).toThrow(TypeError)
  fan.add(waits.reader)
  await (await fan.receive()).entry.ack()
  await fan.close()
  expect((await one.reader.receive()).item).toBe('a1')
  const stop = new AbortController()
  const processed = waits.reader.process(() => undefined, { signal: stop.signal })
  expect(() => receiveFrom([waits.reader])).toThrow('process receives alone')
  stop.abort()
  await processed
})

test('options are checked', () => {
  expect(() => receiveFrom([], { onFail: () => undefined } as object)).toThrow('no option onFail')
})
