import { expect, test } from 'vitest'
import type { RoleHints } from '../../src/ring/hints.ts'
import { Waiter } from '../../src/ring/queue/poll.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { smallRing } from '../helpers/ring.ts'

/** The pauses of one who waits in vain, in milliseconds. */
async function pauses(waiter: Waiter, clock: FakeClock, count: number): Promise<number[]> {
  const all: number[] = []
  for (let n = 0; n < count; n++) {
    const started = clock.now()
    const paused = waiter.pause()
    while (clock.sleepers > 0) await clock.advance(1)
    await paused
    all.push(clock.now() - started)
  }
  return all
}

test('pauses grow to a bound, and begin again when something came', async () => {
  const clock = new FakeClock()
  const waiter = new Waiter(await smallRing(), clock, { maxPollMs: 6 })
  expect(await pauses(waiter, clock, 6)).toEqual([1, 2, 4, 6, 6, 6])
  waiter.reset()
  expect(await pauses(waiter, clock, 2)).toEqual([1, 2])
})

test('the next pause follows if a look shows at once that nothing has come', async () => {
  const clock = new FakeClock()
  let looks = 0
  const waiter = new Waiter(await smallRing(), clock, { maxPollMs: 6 })
  const paused = waiter.pause(undefined, () => ++looks < 4)
  await clock.advance(1 + 2 + 4 + 6)
  await paused
  expect(looks).toBe(4)
})

test('a report that such a look finds empty neither ends a pause nor extends it', async () => {
  const device = await smallRing()
  const clock = new FakeClock()
  const stop = new AbortController()
  const wakes = { hint: 0, poll: 0, call: 0 }
  const waiter = new Waiter(device, clock, { maxPollMs: 100 }, (by) => wakes[by]++)
  const paused = waiter.pause(stop.signal, () => true)
  paused.catch(() => undefined)
  await clock.advance(1000)
  wakes.poll = 0
  for (let reports = 0; reports < 30; reports++) {
    await device.write(1, [new Uint8Array(512)])
    await clock.advance(10)
  }
  expect(wakes).toEqual({ hint: 30, poll: 3, call: 0 })
  stop.abort()
  await expect(paused).rejects.toThrow()
  waiter.close()
})

test('a signal ends such pauses, and leaves no timer', async () => {
  const clock = new FakeClock()
  const stop = new AbortController()
  const waiter = new Waiter(await smallRing(), clock)
  const paused = waiter.pause(stop.signal, () => true)
  paused.catch(() => undefined)
  await clock.advance(5000)
  stop.abort(new Error('enough'))
  await expect(paused).rejects.toThrow('enough')
  await clock.settle()
  expect(clock.sleepers).toBe(0)
})

test('long pauses of many end together', async () => {
  const clock = new FakeClock()
  const stop = new AbortController()
  const device = new HookedDevice(await smallRing(), { watch: false })
  let looks = 0
  const look = (): boolean => ++looks > 0
  const pauses = Array.from({ length: 100 }, async (_, number) => {
    await clock.sleep(number)
    await new Waiter(device, clock).pause(stop.signal, look)
  })
  await clock.advance(20_000)
  expect(clock.sleepers).toBeLessThanOrEqual(10)
  looks = 0
  await clock.advance(1000)
  expect(looks).toBe(400)
  stop.abort()
  await Promise.allSettled(pauses)
})

test('a change ends a pause, also one that has not begun', async () => {
  const device = await smallRing()
  const clock = new FakeClock()
  const waiter = new Waiter(device, clock)
  waiter.wake()
  await waiter.pause()
  const pausing = waiter.pause()
  await clock.settle()
  await device.flush()
  await device.write(1, [new Uint8Array(512)])
  await pausing
  expect(clock.now()).toBe(0)
  waiter.close()
})

test('pauses get longer only after a long quiet time', async () => {
  const clock = new FakeClock()
  const device = new HookedDevice(await smallRing(), { watch: false })
  const all = await pauses(new Waiter(device, clock), clock, 60)
  expect(Math.max(...all.slice(0, 20))).toBeLessThanOrEqual(50)
  expect(Math.max(...all)).toBeGreaterThan(100)
  expect(Math.max(...all)).toBeLessThanOrEqual(250)
})

test('a watch that stops working is not waited for', async () => {
  const clock = new FakeClock()
  const device = await smallRing()
  let works = true
  const deaf = new HookedDevice(device)
  deaf.watch = () => ({
    get works() {
      return works
    },
    close: () => undefined,
  })
  const waiter = new Waiter(deaf, clock)
  expect(Math.max(...(await pauses(waiter, clock, 20)))).toBe(1000)
  works = false
  waiter.reset()
  expect(Math.max(...(await pauses(waiter, clock, 20)))).toBeLessThanOrEqual(51)
})

test('an unreported change makes it look more often', async () => {
  const clock = new FakeClock()
  const waiter = new Waiter(await smallRing(), clock)
  expect(Math.max(...(await pauses(waiter, clock, 20)))).toBe(1000)
  waiter.wake()
  await waiter.pause()
  waiter.reset()
  expect(Math.max(...(await pauses(waiter, clock, 20)))).toBe(1000)
  waiter.reset()
  expect(Math.max(...(await pauses(waiter, clock, 20)))).toBe(250)
  waiter.close()
})

test('where the other side tells of what it changes, the device is not listened to', async () => {
  const device = await smallRing()
  const clock = new FakeClock()
  const wakes: string[] = []
  let expected = 0
  let connected = true
  const given = {
    get connected() {
      return connected
    },
    expect: () => expected++,
    give: () => undefined,
  }
  const hints: RoleHints = { given }
  const hint = (): void => hints.onHint?.()
  const waiter = new Waiter(device, clock, {}, (by) => wakes.push(by))
  waiter.listen(hints)
  const first = waiter.pause()
  await device.write(1, [new Uint8Array(512)])
  await clock.settle()
  expect(wakes).toEqual([])
  hint()
  await first
  // One that comes between two pauses ends the next.
  hint()
  await waiter.pause()
  expect(wakes).toEqual(['hint', 'hint'])
  expect(expected).toBe(2)
  // After each look that shows nothing, another is expected.
  let looks = 0
  const second = waiter.pause(undefined, () => ++looks < 4)
  for (let times = 0; times < 4; times++) hint()
  await second
  expect(expected).toBe(2 + 1 + 3)
  // Without it, the device is.
  connected = false
  const third = waiter.pause()
  await device.write(1, [new Uint8Array(512)])
  await third
  expect(wakes).toHaveLength(2 + 4 + 1)
  waiter.close()
  hint()
  expect(clock.now()).toBe(0)
})
