import { describe, expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { BlockError } from '../../src/errors.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { readLeases } from '../../src/ring/access/lease.ts'
import { verifyRing } from '../../src/ring/maintenance/verify.ts'
import type { Created } from '../../src/ring/types.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { deviceBytes, hex } from '../helpers/golden.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { append, attachProducer, ringDevice } from '../helpers/ring.ts'

const MIB = 1 << 20

/** What other programs leave on a device: bytes and where. */
const others: readonly [string, number, string][] = [
  ['ext2, ext3 or ext4', 1080, '53ef'],
  ['XFS', 0, '58465342'],
  ['Btrfs', 65600, '5f42485266535f4d'],
  ['LUKS', 0, '4c554b53babe'],
  ['LVM', 512, '4c4142454c4f4e45'],
  ['swap', 4086, '5357415053504143453'.concat('2')],
  ['GPT', 512, '4546492050415254'],
  ['MBR', 510, '55aa'],
  ['RAID', 4096, 'fc4e2ba9'],
  ['another version', 0, Buffer.from('mirage shared-block-device 2.0').toString('hex')],
  ['unknown data', 700_000, '01'],
]

describe('creating a ring', () => {
  test.each(others)('refuses a device that holds %s, and changes nothing', async (what, at, is) => {
    const bytes = new Uint8Array(2 * MIB)
    bytes.set(Buffer.from(is, 'hex'), at)
    const device = await MemoryBlockDevice.from(bytes)
    await expect(Producer.create(device, { format: 1 })).rejects.toMatchObject({
      code: 'RING_NOT_BLANK',
      details: { found: expect.stringContaining(what) },
    })
    expect(Buffer.from(await deviceBytes(device)).equals(bytes)).toBe(true)
    expect(await Producer.create(device, { eraseOther: true, format: 1 })).toEqual({
      created: true,
    })
    expect((await inspectRing(device)).usedBytes).toBe(0)
  })

  test.each([1, 2] as const)(
    'of format %i refuses a device whose end is in use, as that of a RAID member or of a GPT is',
    async (format) => {
      const bytes = new Uint8Array(4 * MIB)
      bytes[4 * MIB - 512] = 0x45
      const device = await MemoryBlockDevice.from(bytes)
      await expect(Producer.create(device, { format })).rejects.toMatchObject({
        code: 'RING_NOT_BLANK',
        details: { found: `unknown data (the first byte that is not zero is at ${4 * MIB - 512})` },
      })
    },
  )

  test('leaves an existing ring alone, with its items', async () => {
    const device = await ringDevice()
    await append(await attachProducer(device), Buffer.from('item'))
    const before = hex(await deviceBytes(device))
    expect(await Producer.create(device, { format: 1 })).toEqual({ created: false })
    expect(await Producer.create(device, { eraseOther: true, format: 1 })).toEqual({
      created: false,
    })
    expect(hex(await deviceBytes(device))).toBe(before)
  })

  test.each([0, 3])('refuses a device of %i sectors', async (sizeSectors) => {
    const device = new MemoryBlockDevice({ sizeSectors })
    await expect(Producer.create(device, { format: 1 })).rejects.toThrow(
      'The block device is too small for a ring; the minimum size is 4 sectors',
    )
  })

  test.each([0, 1, 2, 3])(
    'continues after one that was cut short at its write %i',
    async (writes) => {
      const memory = new MemoryBlockDevice({ sizeSectors: 8 })
      const device = new HookedDevice(memory)
      let left = writes
      device.before = ({ operation }) => {
        if (operation === 'read' || left-- > 0) return
        throw new BlockError('BLOCK_IO', 'injected', { device: 'memory' })
      }
      await expect(Producer.create(device, { format: 1 })).rejects.toMatchObject({
        code: 'BLOCK_IO',
      })
      await expect(inspectRing(memory)).rejects.toMatchObject({ code: 'RING_NOT_INITIALISED' })
      expect(await Producer.create(memory, { format: 1 })).toEqual({ created: true })
      expect(hex(await deviceBytes(memory))).toBe(hex(await deviceBytes(await ringDevice(8))))
    },
  )

  test('by two programs at once makes one ring, and keeps items that were pushed by then', async () => {
    const memory = new MemoryBlockDevice({ sizeSectors: 8 })
    const slow = new HookedDevice(memory)
    const clock = new FakeClock()
    const order: string[] = []
    let second: Promise<Created> | undefined
    slow.before = async ({ operation, sector }) => {
      if (operation !== 'write' || sector !== 1) return
      // The first found no ring, and is held up here: the second must not create one meanwhile.
      second = Producer.create(memory, { format: 1, clock }).finally(() => order.push('second'))
      await clock.advance(50)
      order.push('first')
    }
    expect(await Producer.create(slow, { format: 1 })).toEqual({ created: true })
    await clock.advance(1000)
    expect(await second).toEqual({ created: false })
    expect(order).toEqual(['first', 'second'])
  })

  test('puts the pointers on stable storage before the magic', async () => {
    const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: 8 }))
    await Producer.create(device, { format: 1 })
    const steps = device.take().filter(({ operation }) => operation !== 'read')
    expect(steps.map(({ operation, sector, durable }) => [operation, sector, durable])).toEqual([
      ['write', 1, false],
      ['write', 2, false],
      ['flush', 0, false],
      ['write', 0, true],
    ])
  })
})

test.each([1, 2] as const)(
  'names of a ring of format %s begin as they were given, also with a byte order mark',
  async (format) => {
    const device = new MemoryBlockDevice({ sizeSectors: 512 })
    await Producer.create(device, { format, ...(format === 2 && { name: '\ufeffname' }) })
    const attached = await Producer.attach(device, { queue: '\ufeffqueue', client: 'client' })
    if (attached.status === 'attached') {
      await append(attached.producer, Uint8Array.of(1))
      await attached.producer.close()
    }
    const { ring, producer } = await inspectRing(device)
    expect(ring?.name).toBe(format === 2 ? '\ufeffname' : undefined)
    expect(producer.text).toMatch(/^\ufeffqueue used by client/)
  },
)

describe('a device without a ring', () => {
  const attempts: readonly ((device: BlockDevice) => Promise<unknown>)[] = [
    (device) => Producer.attach(device),
    (device) => Consumer.attach(device),
    (device) => Producer.attach(device, { lease: { owner: 'a', unfenced: true } }),
    (device) => inspectRing(device),
    (device) => verifyRing(device),
    (device) => readLeases(device),
  ]

  async function told(device: BlockDevice): Promise<readonly unknown[]> {
    const results = await Promise.allSettled(attempts.map((attempt) => attempt(device)))
    return results.map((result) => (result.status === 'rejected' ? result.reason : result))
  }

  test.each(others)('%s is reported by every call that looks for a ring', async (what, at, is) => {
    const bytes = new Uint8Array(2 * MIB)
    bytes.set(Buffer.from(is, 'hex'), at)
    for (const error of await told(await MemoryBlockDevice.from(bytes))) {
      expect(error).toMatchObject({
        code: 'RING_NOT_INITIALISED',
        message: expect.stringMatching(/^block ring has not been initialised: .*right device\?$/),
        details: { expected: 'a ring', found: expect.stringContaining(what) },
      })
    }
  })

  test('a blank device is called blank, not a number of NULs', async () => {
    for (const error of await told(await MemoryBlockDevice.from(new Uint8Array(2 * MIB)))) {
      expect(error).toMatchObject({
        code: 'RING_NOT_INITIALISED',
        message: expect.stringMatching(
          /found nothing: .* are zeroes; create the ring first \(sbr create, /,
        ),
        details: { found: expect.not.stringContaining('\\u0000') },
      })
    }
  })

  test.each([
    // Of format 1 a pointer, of format 2 a part of the guard.
    [1, 2],
    [2, 0xff],
  ] as const)('a creation of format %i that was cut short is reported', async (format, byte) => {
    const bytes = new Uint8Array(128 * 512)
    bytes[512 + 8] = byte
    const device = await MemoryBlockDevice.from(bytes)
    for (const error of await told(device)) {
      expect(error).toMatchObject({
        code: 'RING_NOT_INITIALISED',
        message: expect.stringMatching(new RegExp(`create it again, of format ${format}$`)),
        details: { found: `a ring of format ${format} whose creation was interrupted` },
      })
    }
    expect(await Producer.create(device, { format })).toEqual({ created: true })
  })

  test('unreadable content is reported like any other', async () => {
    const device = new HookedDevice(await MemoryBlockDevice.from(new Uint8Array(2 * MIB)))
    device.before = ({ operation, bytes }) => {
      if (operation === 'read' && bytes >= MIB) {
        throw new BlockError('BLOCK_IO', 'injected', { device: 'memory' })
      }
    }
    await expect(Producer.attach(device)).rejects.toMatchObject({
      code: 'RING_NOT_INITIALISED',
      details: { found: 'other content, partly unreadable (injected)' },
    })
  })
})
