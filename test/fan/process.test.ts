import { expect, test } from 'vitest'
import { isRingError } from '../../src/errors.ts'
import { FanProcessor } from '../../src/fan/fan-processor.ts'
import { receiveFrom } from '../../src/fan/index.ts'
import { reserve } from '../../src/ring/queue/reader.ts'
import { Turns } from '../../src/tasks/turns.ts'
import { deferred } from '../../src/util/deferred.ts'
import { collect } from '../helpers/collect.ts'
import { hung, left, named, ring, turn } from './rings.ts'

test('all rings are handled, with the turns of one, and each key of a ring in order', async () => {
  const names = ['a', 'b', 'c', 'd']
  const rings = await Promise.all(names.map((name) => ring(named(name, 60))))
  const fan = receiveFrom(rings.map(({ reader }) => reader))
  const handled: string[] = []
  let running = 0
  let most = 0
  const summary = await fan.process(
    async (item) => {
      running++
      most = Math.max(most, running)
      await turn()
      handled.push(item)
      running--
    },
    { concurrency: 3, keyOf: () => 'one key for all', untilEmpty: true },
  )
  expect(summary).toMatchObject({ handled: 240, failedAttempts: 0, abandoned: 0 })
  expect(most).toBe(3)
  for (const name of names) {
    expect(handled.filter((item) => item.startsWith(name))).toEqual(named(name, 60))
  }
  for (const each of rings) expect(await left(each)).toEqual([])
})

test('an item that was received and not acknowledged is handled, and no other one twice', async () => {
  const one = await ring(named('a', 10))
  const fan = receiveFrom([one.reader])
  await (await fan.receive()).entry.ack()
  const handled: string[] = []
  await fan.process((item) => handled.push(item), { untilEmpty: true })
  expect(handled).toEqual(named('a', 10).slice(1))
  await one.writer.push('z')
  expect((await fan.receive()).entry.item).toBe('z')
})

test('a ring is added and removed while it works; what was begun is acknowledged', async () => {
  const [one, other] = [await ring(named('a', 40)), await ring(named('b', 40))]
  const stop = new AbortController()
  const fan = receiveFrom([one.reader])
  const handled: string[] = []
  let removing: Promise<void> | undefined
  const processing = fan.process(
    async (item) => {
      await turn()
      handled.push(item)
      if (item === 'a5') removing = fan.remove(one.reader)
      if (item === 'b39') stop.abort()
    },
    { signal: stop.signal },
  )
  await turn()
  fan.add(other.reader)
  await processing
  await removing
  const ofOne = handled.filter((item) => item.startsWith('a'))
  expect(ofOne).toEqual(named('a', ofOne.length))
  expect(ofOne.length).toBeLessThan(10)
  expect(await left(one)).toEqual(named('a', 40).slice(ofOne.length))
  expect((await one.reader.receive()).item).toBe(`a${ofOne.length}`)
  expect(fan.readers).toEqual([other.reader])
  expect(await left(other)).toEqual([])
})

test('a ring that is removed and added while it begins is handled once', async () => {
  const [one, slow] = [await ring(named('a', 6)), await hung()]
  const fan = receiveFrom([one.reader, slow.reader])
  await (await fan.receive()).entry.ack()
  const handled: string[] = []
  let running = 0
  const processing = fan.process(
    async (item) => {
      expect(++running).toBe(1)
      await turn()
      handled.push(item)
      running--
    },
    { concurrency: 4, keyOf: () => 'one key', untilEmpty: true },
  )
  await fan.remove(one.reader)
  expect(fan.readers).toEqual([slow.reader])
  fan.add(one.reader)
  slow.release()
  expect(await processing).toMatchObject({ handled: 5, failedAttempts: 0 })
  expect(handled).toEqual(named('a', 6).slice(1))
})

test('a ring that is removed while it begins is not handled after that', async () => {
  for (let hops = 0; hops < 12; hops++) {
    const one = await ring(named('a', 30))
    const fan = receiveFrom([one.reader])
    if (hops % 2 === 0) await (await fan.receive()).entry.ack()
    const handled: string[] = []
    const processing = fan.process((item) => handled.push(item), { untilEmpty: true })
    for (let hop = 0; hop < hops; hop++) await undefined
    await fan.remove(one.reader)
    const before = [...handled]
    await processing
    await turn()
    expect(handled).toEqual(before)
    expect((await one.reader.receive()).item).toBe((await left(one))[0])
  }
})

test('a ring cannot be added before it is removed', async () => {
  const one = await ring(named('a', 3))
  const stop = new AbortController()
  const fan = receiveFrom([one.reader])
  let end = (): void => undefined
  const handling = new Promise<void>((resolve) => {
    end = resolve
  })
  const handled: string[] = []
  const processing = fan.process(
    async (item) => {
      handled.push(item)
      await handling
    },
    { signal: stop.signal },
  )
  while (handled.length === 0) await turn()
  const removing = [fan.remove(one.reader), fan.remove(one.reader)]
  expect(() => fan.add(one.reader)).toThrow('still being removed')
  end()
  await Promise.race(removing)
  expect(await left(one)).toEqual(['a1', 'a2'])
  fan.add(one.reader)
  while (handled.length < 3) await turn()
  stop.abort()
  await processing
  expect(handled).toEqual(['a0', 'a1', 'a2'])
})

test('a ring that fails stops all, or is reported and removed', async () => {
  const make = async () => [await ring(['a0']), await ring(['b0', 'b1'])] as const
  const fails = (item: string, job: { giveUp(reason: unknown): unknown }): unknown =>
    item === 'a0' ? job.giveUp('no') : undefined
  const [one, other] = await make()
  const strict = receiveFrom([one.reader, other.reader])
  await expect(strict.process(fails)).rejects.toMatchObject({ code: 'WORK_GIVEN_UP' })
  const [third, fourth] = await make()
  const told: unknown[] = []
  const lenient = receiveFrom([third.reader, fourth.reader], {
    onFailed: (_, reader) => told.push(reader),
  })
  expect(await lenient.process(fails, { untilEmpty: true })).toMatchObject({ handled: 2 })
  expect(told).toEqual([third.reader])
  expect(lenient.readers).toEqual([fourth.reader])
  expect(await left(third)).toEqual(['a0'])
})

test('a reader that is closed meanwhile ends processing with its error', async () => {
  const [one, other] = [await ring(), await ring()]
  const fan = receiveFrom([one.reader, other.reader])
  const processing = fan.process(() => undefined)
  await turn()
  await one.reader.close()
  await expect(processing).rejects.toMatchObject({
    code: 'RING_CLOSED',
    details: { device: one.device.name },
  })
  expect(fan.readers).toEqual([other.reader])
})

test('a reader that is removed may be closed at once', async () => {
  const [one, other] = [await ring(['a0']), await ring()]
  const stop = new AbortController()
  const fan = receiveFrom([one.reader, other.reader])
  const handling = deferred<void>()
  const running = deferred<void>()
  const processing = fan.process(
    () => {
      running.resolve()
      return handling.promise
    },
    { signal: stop.signal },
  )
  await running.promise
  const removed = fan.remove(one.reader)
  await one.reader.close()
  handling.resolve()
  await removed
  stop.abort()
  expect(await processing).toMatchObject({ handled: 0 })
})

test('closing it ends it, and with onFailed a closed reader only leaves', async () => {
  const [one, other] = [await ring(), await ring()]
  const failed: unknown[] = []
  const fan = receiveFrom([one.reader, other.reader], {
    onFailed: (error, reader) => failed.push([isRingError(error) && error.code, reader]),
  })
  const processing = fan.process(() => undefined)
  processing.catch(() => undefined)
  await expect(fan.receive()).rejects.toThrow('processing')
  await expect(fan.process(() => undefined)).rejects.toThrow('processing already')
  await one.reader.close()
  while (fan.readers.length > 1) await turn()
  expect(fan.readers).toEqual([other.reader])
  expect(failed).toEqual([['RING_CLOSED', one.reader]])
  await fan.close()
  await expect(processing).rejects.toMatchObject({ code: 'RING_CLOSED' })
  await other.writer.push('b0')
  expect((await other.reader.receive()).item).toBe('b0')
})

test('a ring whose work has ended is kept no longer', async () => {
  const [failing, empty, closed] = [await ring(['a0']), await ring(), await ring()]
  const failed: unknown[] = []
  const work = new FanProcessor<string>(
    (_, job) => job.giveUp('no'),
    { untilEmpty: true },
    (_, reader) => failed.push(reader),
  )
  await closed.reader.close()
  const readers = [failing, empty, closed].map(({ reader }) => reader)
  for (const reader of readers) work.add(reader, reserve(reader, 'a FanIn'), readers.length)
  expect(readers.map((reader) => work.has(reader))).toEqual([true, true, true])
  expect(await work.run()).toMatchObject({ handled: 0 })
  expect(readers.map((reader) => work.has(reader))).toEqual([false, false, false])
  expect(new Set(failed)).toEqual(new Set([failing.reader, closed.reader]))
})

test('a ring that is added again when its failure is told is removed as any other', async () => {
  const one = await ring(['a0'])
  const stop = new AbortController()
  let told = 0
  const fan = receiveFrom([one.reader], {
    onFailed: (_, reader) => {
      if (++told < 3) fan.add(reader)
    },
  })
  let end = (): void => undefined
  const handling = new Promise<void>((resolve) => {
    end = resolve
  })
  let calls = 0
  const processing = fan.process((_, job) => (++calls < 3 ? job.giveUp('no') : handling), {
    signal: stop.signal,
  })
  while (calls < 3) await turn()
  await turn()
  let isRemoved = false
  const removing = fan.remove(one.reader).then(() => {
    isRemoved = true
  })
  await turn()
  expect(isRemoved).toBe(false)
  end()
  await removing
  expect([told, await left(one)]).toEqual([2, []])
  stop.abort()
  await processing
})

test('a receive that waits when process begins is refused', async () => {
  const one = await ring()
  const fan = receiveFrom([one.reader])
  const [waiting, looping] = [fan.receive(), collect(fan)]
  looping.catch(() => undefined)
  const stop = new AbortController()
  const processing = fan.process(() => undefined, { signal: stop.signal })
  await expect(waiting).rejects.toThrow('processing')
  await expect(looping).rejects.toThrow('processing')
  stop.abort()
  await processing
  await one.writer.push('a0')
  expect((await fan.receive()).entry.item).toBe('a0')
})

test('options are checked before anything is handled', async () => {
  const { reader, writer } = await ring()
  const fan = receiveFrom([reader])
  await expect(fan.process(() => undefined, { concurrency: 0 })).rejects.toThrow(RangeError)
  await expect(fan.process(() => undefined, { requeueTo: writer })).rejects.toThrow('many')
  await expect(fan.process(undefined as unknown as () => void)).rejects.toThrow('a function')
})

test('turns go to the ring that has waited longest, and none is lost', () => {
  const turns = new Turns(1)
  const got: string[] = []
  const [one, other, third] = ['one', 'other', 'third'].map((name) => () => void got.push(name))
  if (one === undefined || other === undefined || third === undefined) return
  expect(turns.take(one)).toBe(true)
  expect([turns.take(other), turns.take(third), turns.take(one)]).toEqual([false, false, false])
  turns.withdraw(third)
  turns.give()
  expect(got).toEqual(['other'])
  turns.give()
  turns.give()
  expect(got).toEqual(['other', 'one'])
  expect([turns.take(one), turns.take(other)]).toEqual([true, false])
})
