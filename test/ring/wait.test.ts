import { expect, test } from 'vitest'
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

test('pauses grow to a bound, and begin anew when something came', async () => {
  const clock = new FakeClock()
  const waiter = new Waiter(await smallRing(), clock, { maxPollMs: 6 })
  expect(await pauses(waiter, clock, 6)).toEqual([1, 2, 4, 6, 6, 6])
  waiter.reset()
  expect(await pauses(waiter, clock, 2)).toEqual([1, 2])
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

test('without news the pauses get longer only when it has been quiet for long', async () => {
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

test('what came unreported has it look more often', async () => {
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
