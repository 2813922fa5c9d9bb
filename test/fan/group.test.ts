import { describe, expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { text } from '../../src/codec/index.ts'
import { BlockError } from '../../src/errors.ts'
import { shareOf } from '../../src/fan/group.ts'
import { Group, type GroupOptions } from '../../src/fan/index.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { deferred } from '../../src/util/deferred.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { HookedDevice } from '../helpers/hooked.ts'

const QUICK: GroupOptions<string> = { reader: { codec: text }, checkIntervalMs: 5 }

async function devices(count: number): Promise<MemoryBlockDevice[]> {
  const made = Array.from(
    { length: count },
    (_, ring) => new MemoryBlockDevice({ sizeSectors: 1024, name: `ring-${ring}` }),
  )
  for (const device of made) await Producer.create(device)
  return made
}

async function push(device: BlockDevice | undefined, ...items: string[]): Promise<void> {
  if (device === undefined) return
  await using writer = await RingWriter.open(device, { codec: text })
  await writer.pushMany(items)
}

/** Waits until each member has so many rings. */
async function until(members: readonly Group<string>[], shares: readonly number[]): Promise<void> {
  while (members.some(({ readers }, at) => readers.length !== shares[at])) {
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

test('shares are equal, and there is one for each ring', () => {
  for (const rings of [1, 2, 7, 16, 100]) {
    for (const members of [1, 2, 3, 5, 16, 20]) {
      const shares = Array.from({ length: members }, (_, rank) => shareOf(rings, { members, rank }))
      expect(shares.reduce((sum, share) => sum + share)).toBe(rings)
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
    }
  }
})

test('rings move when members come and go', async () => {
  const rings = await devices(5)
  const one = await Group.open(rings, QUICK)
  await until([one], [5])
  const other = await Group.open(rings, QUICK)
  const third = await Group.open(rings, QUICK)
  await until([one, other, third], [2, 2, 1])
  const held = [one, other, third].flatMap(({ readers }) =>
    readers.map(({ consumer }) => consumer.device.name),
  )
  expect(held.sort()).toEqual(rings.map(({ name }) => name))
  expect([one.members, other.members, third.members]).toEqual([3, 3, 3])
  await one.close()
  await until([other, third], [3, 2])
  await other.close()
  await until([third], [5])
  await third.close()
  for (const device of rings) await (await RingReader.open(device)).close()
})

test('a member receives many entries at once, of the rings that it has', async () => {
  const rings = await devices(2)
  const group = await Group.open(rings, QUICK)
  await until([group], [2])
  expect(await group.tryReceive()).toBeUndefined()
  for (const device of rings) await push(device, 'first', 'second')
  const got = [await group.tryReceive(), ...(await group.tryReceiveMany({ maxItems: 1 }))]
  while (got.length < 4) got.push(...(await group.receiveMany({ maxItems: 2 })))
  expect(got.map((each) => each?.entry.item).sort()).toEqual(['first', 'first', 'second', 'second'])
  for (const each of got) await each?.entry.ack()
  await group.close()
  const message = 'The group was closed'
  for (const call of [group.tryReceive(), group.tryReceiveMany(), group.receiveMany()]) {
    await expect(call).rejects.toMatchObject({ code: 'RING_CLOSED', message })
  }
})

test('a ring moves once its delivered items are acknowledged, and the next member continues there', async () => {
  const rings = await devices(2)
  for (const device of rings) await push(device, 'first', 'second')
  const one = await Group.open(rings, QUICK)
  const begun = [await one.receive(), await one.receive()]
  const released: unknown[] = []
  const other = await Group.open(rings, {
    ...QUICK,
    onReleased: (device) => released.push(device),
  })
  const next = other.receive()
  let isThere = false
  next.then(
    () => {
      isThere = true
    },
    () => undefined,
  )
  // The other member has looked, and this one has too.
  while (one.readers.length > 1 || other.members < 2) {
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  expect(isThere).toBe(false)
  for (const { entry } of begun) await entry.ack()
  expect((await next).entry.item).toBe('second')
  await until([one, other], [1, 1])
  await Promise.all([one.close(), other.close()])
  expect(released).toHaveLength(1)
})

test('acknowledgements that wait for one another are written before their ring is released', async () => {
  const [ring] = await devices(1)
  if (ring === undefined) throw new Error('one ring')
  await push(ring, 'first', 'second', 'third')
  const device = new HookedDevice(ring)
  const one = await Group.open([device], QUICK)
  const [first, second] = [await one.receive(), await one.receive()]
  const held = deferred<void>()
  const begun = deferred<void>()
  device.before = () => {
    begun.resolve(undefined)
    return held.promise
  }
  const acknowledged = [first.entry.ack()]
  await begun.promise
  acknowledged.push(second.entry.ack())
  const left = one.close()
  held.resolve(undefined)
  expect(await Promise.allSettled(acknowledged)).toEqual(
    acknowledged.map(() => ({ status: 'fulfilled', value: undefined })),
  )
  await left
  await using reader = await RingReader.open(ring, { codec: text })
  expect((await reader.tryReceive())?.item).toBe('third')
})

test('a ring that fails while it moves is released once', async () => {
  const rings = (await devices(2)).map((device) => new HookedDevice(device))
  for (const device of rings) await push(device, 'a')
  const released: unknown[] = []
  const told: unknown[] = []
  const one = await Group.open(rings, {
    ...QUICK,
    onReleased: (device) => released.push(device),
    onFailed: (error) => told.push(error),
  })
  await until([one], [2])
  let end = (): void => undefined
  const handling = new Promise<void>((resolve) => {
    end = resolve
  })
  let begun = 0
  const handler = (): Promise<void> => {
    begun++
    return handling
  }
  const processing = one.process(handler, { concurrency: 2 })
  processing.catch(() => undefined)
  while (begun < 2) await new Promise((resolve) => setTimeout(resolve, 1))
  const other = await Group.open(rings, QUICK)
  while (one.readers.length > 1) await new Promise((resolve) => setTimeout(resolve, 1))
  for (const device of rings) {
    device.before = ({ operation }) => {
      if (operation === 'write') throw new BlockError('BLOCK_IO', 'no', { device: 'hooked' })
    }
  }
  end()
  while (told.length < 2) await new Promise((resolve) => setTimeout(resolve, 1))
  await Promise.all([one.close(), other.close()])
  await expect(processing).rejects.toMatchObject({ code: 'RING_CLOSED' })
  expect(new Set(released).size).toBe(2)
  expect(released).toHaveLength(2)
})

test('a ring whose acknowledgement fails while it moves is released, and delivered again', async () => {
  const rings = (await devices(2)).map((device) => new HookedDevice(device))
  for (const device of rings) await push(device, 'item')
  const one = await Group.open(rings, QUICK)
  const begun = [await one.receive(), await one.receive()]
  const other = await Group.open(rings, QUICK)
  const next = other.receive()
  while (one.readers.length > 1) await new Promise((resolve) => setTimeout(resolve, 1))
  for (const device of rings) {
    device.before = ({ operation }) => {
      if (operation === 'write') throw new BlockError('BLOCK_IO', 'broken', { device: 'ring' })
    }
  }
  const moving = begun.find(({ reader }) => !one.readers.includes(reader))
  await expect(moving?.entry.ack()).rejects.toMatchObject({ code: 'BLOCK_IO' })
  for (const device of rings) device.before = () => undefined
  expect((await next).entry.item).toBe('item')
  await Promise.all([one.close(), other.close()])
})

test('each item is handled, while members come and go', async () => {
  const rings = await devices(6)
  const names = rings.map((_, ring) => Array.from({ length: 40 }, (_, item) => `${ring}/${item}`))
  for (const [at, device] of rings.entries()) await push(device, ...(names[at] ?? []))
  const handled: string[] = []
  const work = async (group: Group<string>): Promise<void> => {
    await group
      .process(
        async (item) => {
          await new Promise((resolve) => setTimeout(resolve, 1))
          handled.push(item)
        },
        { concurrency: 2, keyOf: () => 'in order' },
      )
      .catch(() => undefined)
  }
  const members: Group<string>[] = []
  const works: Promise<void>[] = []
  for (let number = 0; number < 3; number++) {
    const group = await Group.open(rings, QUICK)
    members.push(group)
    works.push(work(group))
    const before = handled.length
    while (handled.length < before + 20) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await members.shift()?.close()
  while (new Set(handled).size < 240) await new Promise((resolve) => setTimeout(resolve, 1))
  for (const group of members) await group.close()
  await Promise.all(works)
  for (const [ring, all] of names.entries()) {
    const own = handled.filter((item) => item.startsWith(`${ring}/`))
    expect([...new Set(own)]).toEqual(all)
  }
})

test('a ring that cannot be opened is reported, and the others continue', async () => {
  const [sound] = await devices(1)
  if (sound === undefined) return
  const blank = new MemoryBlockDevice({ sizeSectors: 1024 })
  const told: unknown[] = []
  const group = await Group.open([sound, blank], {
    ...QUICK,
    onFailed: (error, device) => told.push([device, error]),
  })
  await until([group], [1])
  while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  expect(told[0]).toMatchObject([blank, { code: 'RING_NOT_INITIALISED' }])
  await push(sound, 'a')
  const { entry, reader } = await group.receive()
  expect([entry.item, reader.consumer.device.name]).toEqual(['a', sound.name])
  await group.close()
  await expect(group.receive()).rejects.toMatchObject({ code: 'RING_CLOSED' })
})

/** What keeps a ring from being opened for as long as it likes. */
class SlowDevice extends HookedDevice {
  readonly opened: Promise<void>
  let: () => void = () => undefined

  constructor(inner: BlockDevice) {
    super(inner)
    this.opened = new Promise((resolve) => {
      this.let = resolve
    })
    this.before = () => this.opened
  }
}

const blank = (ring: number): MemoryBlockDevice =>
  new MemoryBlockDevice({ sizeSectors: 1024, name: `blank-${ring}` })

test('a ring that is waited for keeps no other from being taken, and no member from leaving', async () => {
  const sound = await devices(10)
  const absent = Array.from({ length: 10 }, (_, ring) => blank(ring))
  const signal = new AbortController().signal
  const told: unknown[] = []
  const group = await Group.open([...absent, ...sound], {
    ...QUICK,
    reader: { codec: text, waitForRing: true, signal },
    onFailed: (error) => told.push(error),
  })
  await until([group], [10])
  const other = await Group.open([...absent, ...sound], {
    ...QUICK,
    reader: { codec: text, waitForRing: true, signal },
  })
  while (other.members < 2 || group.members < 2) {
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  for (const device of absent) await Producer.create(device)
  await until([group, other], [10, 10])
  await Promise.all([group.close(), other.close()])
  expect(told).toEqual([])
})

test('a member that waits for a ring leaves at once, also with a signal of its own', async () => {
  const { signal } = new AbortController()
  for (const reader of [{ waitForRing: true }, { waitForRing: true, signal }]) {
    const device = new HookedDevice(blank(0))
    const group = await Group.open([device], { checkIntervalMs: 5, reader })
    // It has looked for the ring, more than once.
    while (device.requests.length < 10) await new Promise((resolve) => setTimeout(resolve, 1))
    await group.close()
  }
})

test('rings whose opening takes long keep no other from being taken', async () => {
  const slow = (await devices(10)).map((device) => new SlowDevice(device))
  const sound = await devices(2)
  const group = await Group.open([...slow, ...sound], QUICK)
  await until([group], [2])
  for (const device of slow) device.let()
  await until([group], [12])
  await group.close()
})

test('a member that waits for a lease leaves at once', async () => {
  const [device] = await devices(1)
  if (device === undefined) return
  const clock = new FakeClock()
  const at = (): HookedDevice => new HookedDevice(device, { claims: false })
  const held = RingReader.open(at(), { clock, lease: { owner: 'one' } })
  await clock.advance(10_000)
  await held
  let watches = 0
  const onWatch = (): void => {
    watches++
  }
  const lease = { owner: 'other', unfenced: true, onWatch }
  const own = new AbortController()
  const group = await Group.open([new HookedDevice(device)], {
    checkIntervalMs: 5,
    clock,
    reader: { clock, lease, signal: own.signal },
  })
  while (watches === 0) await clock.advance(5)
  let isClosed = false
  const closing = group.close().then(() => {
    isClosed = true
  })
  await clock.advance(100)
  expect(isClosed).toBe(true)
  await closing
})

test('a reader that its program closes is opened again', async () => {
  const [device] = await devices(1)
  const group = await Group.open([device as BlockDevice], QUICK)
  await until([group], [1])
  const [first] = group.readers
  await first?.close()
  while (group.readers[0] === first || group.readers.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await push(device, 'a')
  const { entry } = await group.receive()
  expect(entry.item).toBe('a')
  await group.close()
})

describe('a group ends with', () => {
  const THROWN = new Error('thrown by a callback')
  const thrower = (): never => {
    throw THROWN
  }

  /** What all calls of a group throw, those that wait and later ones. */
  async function endOf(group: Group<string>, error: unknown): Promise<void> {
    await expect(group.receive()).rejects.toBe(error)
    await expect(group.receive()).rejects.toBe(error)
    await expect(group.process(() => undefined)).rejects.toBe(error)
    await expect(group.entries().next()).rejects.toBe(error)
    await group.close()
    await expect(group.receive()).rejects.toBe(error)
  }

  test('what onTaken throws', async () => {
    const rings = await devices(2)
    await endOf(await Group.open(rings, { ...QUICK, onTaken: thrower }), THROWN)
    for (const device of rings) await (await RingReader.open(device)).close()
  })

  test('what onReleased throws when a ring moves', async () => {
    const rings = await devices(2)
    const one = await Group.open(rings, { ...QUICK, onReleased: thrower })
    await until([one], [2])
    const other = await Group.open(rings, QUICK)
    await endOf(one, THROWN)
    await until([other], [2])
    await other.close()
  })

  test('what onReleased throws when it leaves, and leaves all the same', async () => {
    const rings = await devices(2)
    const group = await Group.open(rings, { ...QUICK, onReleased: thrower })
    await until([group], [2])
    await group.close()
    await expect(group.receive()).rejects.toBe(THROWN)
    for (const device of rings) await (await RingReader.open(device)).close()
  })

  test('what onFailed throws for a ring that cannot be opened', async () => {
    const group = await Group.open([blank(0)], { ...QUICK, onFailed: thrower })
    await endOf(group, THROWN)
  })

  test('what onFailed throws for the record of members', async () => {
    const [device] = await devices(1)
    const hooked = new HookedDevice(device as BlockDevice)
    const group = await Group.open([hooked], { ...QUICK, onFailed: thrower })
    hooked.holderOf = () => Promise.reject(new BlockError('BLOCK_IO', 'no', { device: 'x' }))
    await endOf(group, THROWN)
  })

  test('what onFailed throws for a ring that fails at work', async () => {
    const [device] = await devices(1)
    const hooked = new HookedDevice(device as BlockDevice)
    const group = await Group.open([hooked], { ...QUICK, onFailed: thrower })
    await until([group], [1])
    const processing = group.process(() => undefined)
    hooked.before = ({ operation }) => {
      if (operation === 'read') throw new BlockError('BLOCK_IO', 'no', { device: 'x' })
    }
    await expect(processing).rejects.toBe(THROWN)
    await endOf(group, THROWN)
  })

  test('the error of a ring that cannot be opened, without onFailed', async () => {
    const group = await Group.open([blank(0)], QUICK)
    await expect(group.receive()).rejects.toMatchObject({ code: 'RING_NOT_INITIALISED' })
    await group.close()
  })

  test('the error of a ring that fails at work, without onFailed', async () => {
    const [device] = await devices(1)
    const hooked = new HookedDevice(device as BlockDevice)
    const group = await Group.open([hooked], QUICK)
    await until([group], [1])
    const processing = group.process(() => undefined)
    hooked.before = ({ operation }) => {
      if (operation === 'read') throw new BlockError('BLOCK_IO', 'no', { device: 'x' })
    }
    await expect(processing).rejects.toMatchObject({ code: 'BLOCK_IO' })
    await expect(group.receive()).rejects.toMatchObject({ code: 'BLOCK_IO' })
    await group.close()
  })
})

test('an item that does not decode is thrown without onFailed, and the group continues after it', async () => {
  const [device] = await devices(1)
  await using writer = await RingWriter.open(device as BlockDevice)
  await writer.push(new Uint8Array([0xff]))
  await writer.push(new TextEncoder().encode('next'))
  const group = await Group.open([device as BlockDevice], QUICK)
  await expect(group.receive()).rejects.toMatchObject({ code: 'CODEC_DECODE' })
  expect((await group.receive()).entry.item).toBe('next')
  await group.close()
})

test('its arguments are checked', async () => {
  const [device] = await devices(1)
  if (device === undefined) return
  await expect(Group.open([])).rejects.toThrow('at least one')
  await expect(Group.open([device, device])).rejects.toThrow('one device')
  await expect(Group.open([{} as MemoryBlockDevice])).rejects.toThrow(TypeError)
  await expect(Group.open([device], { checkIntervalMs: 0 })).rejects.toThrow(RangeError)
  await expect(Group.open([device], { check: 1 } as object)).rejects.toThrow('no option check')
})

test('a ring whose opening ends while the member leaves is neither told as taken nor as released', async () => {
  const [device] = await devices(1)
  const hooked = new HookedDevice(device as BlockDevice)
  let begins = (): void => undefined
  const isOpening = new Promise<void>((resolve) => {
    begins = resolve
  })
  let goOn = (): void => undefined
  const goesOn = new Promise<void>((resolve) => {
    goOn = resolve
  })
  hooked.before = () => {
    begins()
    return goesOn
  }
  const told: string[] = []
  const group = await Group.open([hooked], {
    ...QUICK,
    onTaken: () => told.push('taken'),
    onReleased: () => told.push('released'),
  })
  await isOpening
  const closed = group.close()
  goOn()
  await closed
  expect(told).toEqual([])
  await (await RingReader.open(hooked)).close()
})
