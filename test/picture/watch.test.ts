import { expect, onTestFinished, test, vi } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { SalvageBlockDevice } from '../../src/block/wrap/salvage.ts'
import { pictureAccess } from '../../src/cli/device/picture-access.ts'
import { isSeen } from '../../src/picture/snapshot.ts'
import type { DeviceSeen, FormatWatch } from '../../src/picture/watch/format-watch.ts'
import { Format1Watch } from '../../src/picture/watch/format1-watch.ts'
import { Format2Watch } from '../../src/picture/watch/format2-watch.ts'
import { RingWatch } from '../../src/picture/watch/ring-watch.ts'
import { Scratch } from '../../src/picture/watch/scratch.ts'
import { Consumer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { formatPosition } from '../../src/ring/shared/position-text.ts'
import { temporaryFolder } from '../cli/cli.ts'
import { makeRing } from '../cli/tools.ts'
import { smallRing } from '../helpers/damage.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { deviceBytes } from '../helpers/golden.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { append, attachProducer, ringDevice } from '../helpers/ring.ts'

const { signal } = new AbortController()
const scratch = new Scratch()
const ITEM = Buffer.alloc(300, 'x')

function viewOf(device: BlockDevice): Promise<Format2Watch> {
  return Format2Watch.open(new SalvageBlockDevice(device))
}

/** A clock that people set. */
class SetClock extends FakeClock {
  setTo = 1_700_000_000_000

  override time(): number {
    return this.setTo
  }
}

/** What `inspectRing` says, as a view has it. */
async function expected(device: BlockDevice): Promise<Partial<DeviceSeen>> {
  const { format, usedBytes, waitingItems, waitingBytes, stats, producer, consumer } =
    await inspectRing(device)
  return {
    format,
    log: expect.objectContaining({ used: usedBytes }),
    ...(format === 2 && { waitingItems, waitingBytes, stats }),
    producer: expect.objectContaining({ position: formatPosition(producer.position, format) }),
    consumer: expect.objectContaining({ position: formatPosition(consumer.position, format) }),
  }
}

/** Pushes and pops over several laps, and has the view compared with an inspection after each step. */
async function compareOverLaps(device: BlockDevice, view: FormatWatch): Promise<void> {
  // By the machine's clock, a checkpoint could come between the look and the inspection.
  const clock = new FakeClock()
  const producer = await attachProducer(device, { clock })
  const consumer = await Consumer.attach(device, { clock })
  for (let step = 0; step < 40; step++) {
    await append(producer, ITEM)
    if (step % 3 === 2) {
      const items = await consumer.popMany({ maxItems: 3 })
      await consumer.advance(items.at(-1)?.position ?? consumer.position)
    }
    expect(await view.look(signal, scratch)).toMatchObject(await expected(device))
  }
  await producer.close()
  await consumer.close()
  expect(await view.look(signal, scratch)).toMatchObject(await expected(device))
}

test('each look at a ring of format 2 sees what an inspection sees, over several laps', async () => {
  const device = await smallRing(16)
  await compareOverLaps(device, await viewOf(device))
})

test('each look at a ring of format 1 sees what an inspection sees, over several laps', async () => {
  const device = await ringDevice(16)
  await compareOverLaps(device, await Format1Watch.open(device))
})

test('a later epoch, and a view that was opened before it, agree with an inspection', async () => {
  const device = await smallRing(16)
  const view = await viewOf(device)
  for (let epoch = 1; epoch < 4; epoch++) {
    const producer = await attachProducer(device)
    await append(producer, ITEM)
    await producer.close()
    const found = await view.look(signal, scratch)
    expect(found).toMatchObject(await expected(device))
    expect(found.epochs.map(({ epoch }) => epoch)).toContain(found.epoch)
  }
})

test('a look at a ring where nothing happens reads the slots, the leases and the end of the log', async () => {
  const hooked = new HookedDevice(await smallRing(64))
  const producer = await attachProducer(hooked)
  await append(producer, ITEM)
  const view = await viewOf(hooked)
  await view.look(signal, scratch)
  await view.look(signal, scratch)
  hooked.take()
  await view.look(signal, scratch)
  const requests = hooked.take()
  expect(requests.map(({ operation }) => operation)).toEqual(['read', 'read'])
  const bytes = requests.reduce((sum, request) => sum + request.bytes, 0)
  // Six metadata blocks in units of 4,096 bytes, and a block of 512.
  expect(bytes).toBe(6 * 4096 + 512)
  await producer.close()
})

/** A device whose requests are counted, and that can be read at once. */
class PromptDevice extends HookedDevice {
  isPrompt = true

  readNow(sectorStart: number, buffer: Uint8Array): boolean {
    return this.isPrompt && this.inner.readNow?.(sectorStart, buffer) === true
  }
}

test.each([
  [1, () => ringDevice(16)],
  [2, () => smallRing(64)],
] as const)(
  'where a device can be read at once, a look at a ring of format %i that is as before sends no request',
  async (format, make) => {
    const device = new PromptDevice(await make())
    const producer = await attachProducer(device)
    const view =
      format === 1
        ? await Format1Watch.open(device)
        : await Format2Watch.open(new SalvageBlockDevice(device))
    expect(view.lookNow()).toBeUndefined()
    const first = await view.look(signal, scratch)
    expect(await view.look(signal, scratch)).toBe(first)
    // However long nothing happens, what is pushed is seen soon.
    for (const quiet of [1, 20]) {
      const before = await view.look(signal, scratch)
      device.take()
      for (let look = 0; look < quiet; look++) expect(view.lookNow()).toBe(before)
      expect(device.take()).toEqual([])
      await append(producer, ITEM)
      let looks = 0
      while (view.lookNow() !== undefined) expect(++looks).toBeLessThan(4)
      const after = await view.look(signal, scratch)
      expect(after).toMatchObject(await expected(device))
      expect(after.log?.used).toBeGreaterThan(before.log?.used ?? Number.NaN)
      // Now it also knows what is behind the new end.
      expect(await view.look(signal, scratch)).toBe(after)
      expect(view.lookNow()).toBe(after)
    }
    device.isPrompt = false
    expect(view.lookNow()).toBeUndefined()
    await producer.close()
  },
)

test('a batch that was half written at a look is seen soon after it is whole', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const device = new PromptDevice(await smallRing(64))
  const producer = await attachProducer(device)
  const view = await viewOf(device)
  const looked = async (): Promise<DeviceSeen> =>
    view.lookNow() ?? (await view.look(signal, scratch))
  for (const looks of [1, 100]) {
    const before = await looked()
    const old = Buffer.from(await deviceBytes(device))
    await append(producer, Buffer.alloc(2000, 'x'))
    const whole = Buffer.from(await deviceBytes(device))
    const sectors = Array.from({ length: whole.length / 512 }, (_, sector) => sector)
    const at = (bytes: Buffer, sector: number): Buffer =>
      bytes.subarray(sector * 512, (sector + 1) * 512)
    const changed = sectors.filter((sector) => !at(old, sector).equals(at(whole, sector)))
    const late = changed.slice(1)
    for (const sector of late) await device.write(sector, [at(old, sector)])
    for (let look = 0; look < looks; look++) {
      expect(await looked()).toBe(before)
      vi.advanceTimersByTime(500)
    }
    device.take()
    expect(await looked()).toBe(before)
    // What nobody completes is not read at every look.
    if (looks > 1) expect(device.take()).toEqual([])
    for (const sector of late) await device.write(sector, [at(whole, sector)])
    vi.advanceTimersByTime(looks === 1 ? 500 : 30_000)
    expect(await looked()).toMatchObject(await expected(device))
    expect((await looked()).log?.used).toBeGreaterThan(before.log?.used ?? Number.NaN)
  }
  await producer.close()
})

test('what is written once is checked every 30 seconds: what is sound stays the same view, and damage is found', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const device = new PromptDevice(await smallRing(64))
  const view = await viewOf(device)
  const sound = await view.look(signal, scratch)
  expect(sound.damage).toEqual([])
  for (const isPrompt of [true, false]) {
    device.isPrompt = isPrompt
    vi.advanceTimersByTime(30_000)
    expect(view.lookNow()).toBeUndefined()
    expect(await view.look(signal, scratch)).toBe(sound)
  }
  device.isPrompt = true
  const { parts } = sound
  const [guard, superblock] = parts
  const last = parts.at(-1)
  if (guard === undefined || superblock === undefined || last === undefined)
    throw new Error('no parts')
  for (const [index, { offset }] of [guard, superblock, last].entries()) {
    await device.write(offset / 512, [Buffer.alloc(512, 7)])
    vi.advanceTimersByTime(29_000)
    expect((await view.look(signal, scratch)).damage).toHaveLength(index)
    vi.advanceTimersByTime(1000)
    expect((await view.look(signal, scratch)).damage).toHaveLength(index + 1)
  }
})

test('a damaged slot is located, and the rest of the ring is still seen', async () => {
  const device = await smallRing(16)
  const producer = await attachProducer(device)
  await append(producer, ITEM)
  await producer.close()
  const view = await viewOf(device)
  const before = await view.look(signal, scratch)
  const spoilt = before.parts.find(
    ({ name, current }) => name.startsWith('producer slot') && !current,
  )
  if (spoilt === undefined) throw new Error('both slots are current')
  await device.write(spoilt.offset / 512, [Buffer.alloc(512, 7)])
  const after = await view.look(signal, scratch)
  expect(after.damage).toMatchObject([{ offset: spoilt.offset, severity: 'damage' }])
  expect(after.parts.find(({ name }) => name === spoilt.name)?.note).toBe('damaged')
  expect(after.waitingItems).toBe(1)
})

test('nothing is made up about the log if both slots of a role are damaged', async () => {
  const device = await smallRing(16)
  const view = await viewOf(device)
  for (const { offset, name } of (await view.look(signal, scratch)).parts)
    if (name.startsWith('consumer slot')) await device.write(offset / 512, [Buffer.alloc(512, 7)])
  const found = await view.look(signal, scratch)
  expect(found.log).toBeUndefined()
  expect(found.waitingItems).toBeUndefined()
  expect(found.damage).toHaveLength(2)
})

test('a clock that is set back keeps no watch from trying again', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  const clock = new SetClock()
  await using watch = new RingWatch(path, pictureAccess({}), { clock })
  const failed = { device: path, error: { code: 'BLOCK_OPEN' } }
  expect(await watch.look()).toMatchObject({ ...failed, at: clock.setTo })
  await makeRing(path, 'one\n')
  clock.setTo -= 3_600_000
  await clock.advance(1999)
  expect(await watch.look()).toMatchObject({ ...failed, at: clock.setTo })
  await clock.advance(1)
  expect(await watch.look()).toMatchObject({ at: clock.setTo, waitingItems: 1 })
})

test('a watch of a path names who is at work, and reports errors instead of failing', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await using nothing = new RingWatch(path, pictureAccess({}))
  expect(await nothing.look()).toMatchObject({ device: path, error: { code: 'BLOCK_OPEN' } })
  await makeRing(path, 'one\ntwo\n')
  await using watch = new RingWatch(path, pictureAccess({}))
  const found = await watch.look()
  expect(isSeen(found) && found).toMatchObject({
    waitingItems: 2,
    suspended: 'no',
    producer: { holder: null },
    consumer: { holder: null },
    damage: [],
  })
})
