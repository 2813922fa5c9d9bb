import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { BlockError } from '../../../src/errors.ts'
import { Consumer, Producer } from '../../../src/ring/ring.ts'
import { HookedDevice } from '../../helpers/hooked.ts'

const BATCHES = 200

/** A ring where batches of 20 KB wait, each with its number. */
async function filled(): Promise<HookedDevice> {
  const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: 16384, sectorSize: 512 }))
  await Producer.create(device, { format: 2 })
  const attached = await Producer.attach(device)
  if (attached.status !== 'attached') throw new Error(attached.status)
  for (let batch = 0; batch < BATCHES; batch++) {
    await attached.producer.append([new Uint8Array(20_000).fill(batch)])
  }
  await attached.producer.detach()
  return device
}

/** Pops all, one after the other. `state.waits` is false while nothing that was called is under way. */
async function drain(device: HookedDevice, state: { waits: boolean }): Promise<readonly number[]> {
  await using consumer = await Consumer.attach(device)
  const found: number[] = []
  for (let from = consumer.position; ; ) {
    const popped = await consumer.pop(from)
    if (popped.status !== 'item') return found
    found.push(popped.item[0] ?? -1)
    from = popped.position
    state.waits = false
    for (let turn = 0; turn < 3; turn++) await nextTurn()
    state.waits = true
  }
}

const ALL = Array.from({ length: BATCHES }, (_, batch) => batch)

test('while items are used, the device reads the next ones', async () => {
  const device = await filled()
  const state = { waits: true }
  let ahead = 0
  device.before = async () => {
    await nextTurn()
    if (!state.waits) ahead++
  }
  expect(await drain(device, state)).toEqual(ALL)
  expect(ahead).toBeGreaterThan(2)
})

test('a read that nobody waited for may fail: it is done again when it is wanted', async () => {
  const device = await filled()
  const state = { waits: true }
  let failed = 0
  device.before = async () => {
    await nextTurn()
    if (state.waits) return
    failed++
    throw new BlockError('BLOCK_IO', 'a bad sector', { device: device.name })
  }
  expect(await drain(device, state)).toEqual(ALL)
  expect(failed).toBeGreaterThan(2)
})
