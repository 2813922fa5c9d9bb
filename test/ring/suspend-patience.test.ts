import { expect, test } from 'vitest'
import { resumeRing, suspendRing } from '../../src/ring/queue/suspend.ts'
import { inspectRing } from '../../src/tools.ts'
import { smallRing } from '../helpers/ring.ts'

const OVER = AbortSignal.abort(new Error('no more patience'))

test('who does not wait makes the wish first', async () => {
  const device = await smallRing()
  await expect(suspendRing(device, { waitSignal: OVER })).rejects.toThrow('no more patience')
  expect((await inspectRing(device)).consumer.suspend).toBe(true)
})

test('who waits is ended in the middle of a pause', async () => {
  const patience = new AbortController()
  const suspending = suspendRing(await smallRing(), { waitSignal: patience.signal })
  setTimeout(() => patience.abort(new Error('no more patience')), 20)
  await expect(suspending).rejects.toThrow('no more patience')
})

test('what ends all of it leaves the wish unmade', async () => {
  const device = await smallRing()
  await expect(resumeRing(device, { signal: OVER })).rejects.toThrow('no more patience')
  expect((await inspectRing(device)).consumer.suspend).toBe(false)
})
