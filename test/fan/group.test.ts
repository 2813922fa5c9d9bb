import { expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { text } from '../../src/codec/index.ts'
import { BlockError } from '../../src/errors.ts'
import { shareOf } from '../../src/fan/group.ts'
import { type Group, type GroupOptions, joinGroup } from '../../src/fan/index.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { HookedDevice } from '../helpers/hooked.ts'

const QUICK: GroupOptions<string> = { reader: { codec: text }, checkMs: 5 }

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
  const one = await joinGroup(rings, QUICK)
  await until([one], [5])
  const other = await joinGroup(rings, QUICK)
  const third = await joinGroup(rings, QUICK)
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

test('a ring moves once what was begun of it is acknowledged, and the next member goes on there', async () => {
  const rings = await devices(2)
  for (const device of rings) await push(device, 'first', 'second')
  const one = await joinGroup(rings, QUICK)
  const begun = [await one.receive(), await one.receive()]
  const released: unknown[] = []
  const other = await joinGroup(rings, {
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

test('a ring that fails while it moves is given back once', async () => {
  const rings = (await devices(2)).map((device) => new HookedDevice(device))
  for (const device of rings) await push(device, 'a')
  const released: unknown[] = []
  const told: unknown[] = []
  const one = await joinGroup(rings, {
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
  const other = await joinGroup(rings, QUICK)
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
    const group = await joinGroup(rings, QUICK)
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

test('a ring that cannot be opened is told, and the others go on', async () => {
  const [sound] = await devices(1)
  if (sound === undefined) return
  const blank = new MemoryBlockDevice({ sizeSectors: 1024 })
  const told: unknown[] = []
  const group = await joinGroup([sound, blank], {
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

test('what it is made of is checked', async () => {
  const [device] = await devices(1)
  if (device === undefined) return
  await expect(joinGroup([])).rejects.toThrow('at least one')
  await expect(joinGroup([device, device])).rejects.toThrow('one device')
  await expect(joinGroup([{} as MemoryBlockDevice])).rejects.toThrow(TypeError)
  await expect(joinGroup([device], { checkMs: 0 })).rejects.toThrow(RangeError)
  await expect(joinGroup([device], { check: 1 } as object)).rejects.toThrow('no option check')
})
