import { expect, test } from 'vitest'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { attachProducer } from '../../helpers/ring.ts'
import { GatedDevice, ReplayDisk } from '../disk.ts'

// Found by a random walk: the depth was counted from a cursor that lies beyond what the new epoch begins with.
test('the depth is exact after a power cut took an item back that was popped', async () => {
  const disk = new ReplayDisk(4096, 16)
  const open = (): GatedDevice => new GatedDevice(disk, true)
  await Producer.create(open(), { format: 2, blockSize: 4096 })
  const gated = new GatedDevice(disk, false)
  const setup = await attachProducer(open())
  await setup.close()

  // An item that is in the cache only is popped, and the cursor after it is stable.
  const first = await Consumer.attach(open(), { refreshIntervalMs: 0 })
  const block = await capture(disk, gated)
  const popped = await first.pop()
  if (popped.status !== 'item') throw new Error('an item waits')
  await first.advance(popped.position)
  for (const { sector } of block) disk.keep(sector, 0)

  const producer = await attachProducer(open())
  await producer.append([Uint8Array.of(2)])
  const ring = await inspectRing(open())
  expect(ring.waitingItems).toBe(1)
  expect(ring.waitingBytes).toBe(1)
})

/** Has a producer append an item, and die when it is in the cache: returns the sectors it wrote. */
async function capture(
  disk: ReplayDisk,
  device: GatedDevice,
): Promise<readonly { readonly sector: number; readonly bytes: Uint8Array }[]> {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const attaching = attachProducer(device)
  while (device.waiting === undefined) await turn()
  let attached = false
  const appending = attaching.then((producer) => {
    attached = true
    return producer.append([Uint8Array.of(1)])
  })
  appending.catch(() => undefined)
  for (;;) {
    while (device.waiting === undefined) await turn()
    const effect = device.waiting
    for (const { sector, bytes } of effect.sectors) disk.see(sector, bytes)
    if (attached) return effect.sectors
    for (const { sector, bytes } of effect.sectors) disk.settle(sector, bytes)
    effect.end()
    await turn()
  }
}
