import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { isRingError } from '../../src/errors.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import type { AttachOptions, Producer as ProducerHandle } from '../../src/ring/types.ts'
import { collect } from '../helpers/collect.ts'
import {
  deviceBytes,
  type Golden,
  goldenBytes,
  goldenDevice,
  goldens,
  hex,
  type Step,
  unhex,
} from '../helpers/golden.ts'

test('there are golden images to read', () => {
  expect(goldens(false)).toHaveLength(18)
  expect(goldens(true)).toHaveLength(12)
})

describe.each(goldens(false))('$name: $note', (golden) => {
  const { expect: expected } = golden

  test('is inspected as its sidecar says', async () => {
    const ring = await inspectRing(await goldenDevice(golden))
    expect(ring).toMatchObject({
      format: 1,
      sectorSize: golden.sector_size,
      sizeSectors: golden.size_sectors,
      capacityBytes: expected.data_bytes,
      usedBytes: expected.used,
      freeBytes: expected.free,
      producer: {
        position: BigInt(expected.producer),
        suspendAck: expected.suspend_ack,
        text: expected.producer_debug_text ?? '',
      },
      consumer: {
        position: BigInt(expected.consumer),
        suspend: expected.suspend,
        text: expected.consumer_debug_text ?? '',
      },
    })
    const items = await collect(ring.items())
    expect(items.map(({ item }) => hex(item))).toEqual(expected.items_hex)
    expect(items.map(({ position }) => Number(position))).toEqual(expected.item_end_positions)
  })

  test('is popped as its sidecar says, and changes only when advanced', async () => {
    const device = await goldenDevice(golden)
    await using consumer = await Consumer.attach(device)
    expect(await consumer.debugInfo()).toEqual({
      'producer/offset': String(expected.producer),
      'producer/suspend_ack': String(expected.suspend_ack_byte),
      'consumer/offset': String(expected.consumer),
      'consumer/suspend': String(expected.suspend_byte),
    })
    if (golden.consumer_state !== undefined) {
      expect(await consumer.state()).toBe(golden.consumer_state.toLowerCase())
    }
    const { accumulator } = await consumer.fold<string[]>((all, item) => [...all, hex(item)], [])
    expect(accumulator).toEqual(expected.items_hex)
    expect(hex(await deviceBytes(device))).toBe(hex(goldenBytes(golden)))

    for (const [index, wanted] of expected.items_hex.entries()) {
      const popped = await consumer.pop()
      if (popped.status !== 'item') throw new Error(`no item ${index}`)
      expect(hex(popped.item)).toBe(wanted)
      expect(popped.position).toBe(BigInt(expected.item_end_positions[index] ?? -1))
      await consumer.advance(popped.position)
    }
    expect(await consumer.pop()).toEqual({ status: 'retry' })
    expect(consumer.position).toBe(BigInt(expected.producer))
  })
})

/** Those of which every step is one of the ring's; the journal's are repeated in the journal's tests. */
const repeatable = goldens(false).filter(
  ({ made_by }) => !made_by.some((step) => JSON.stringify(step).includes('journal-')),
)

describe.each(repeatable)('repeating the steps of $name', (golden) => {
  test('gives the same bytes wherever the format defines them', async () => {
    const device = await MemoryBlockDevice.from(
      new Uint8Array(golden.size_bytes).fill(blankByte(golden.made_by[0])),
      { sectorSize: golden.sector_size },
    )
    for (const step of golden.made_by.slice(1)) await repeat(device, golden, step)

    const ours = await deviceBytes(device)
    const theirs = goldenBytes(golden)
    const data = 3 * golden.sector_size
    expect(hex(ours.subarray(0, data))).toBe(hex(theirs.subarray(0, data)))
    for (const at of definedBytes(golden)) {
      expect(ours[data + at], `byte ${at} of the data area`).toBe(theirs[data + at])
    }
    if (golden.name === 'fresh-on-junk') expect(hex(ours)).toBe(hex(theirs))
  })
})

function blankByte(step: Step | undefined): number {
  if (typeof step !== 'string') throw new Error('the first step makes the file')
  return step.endsWith('filled with 0xa5') ? 0xa5 : 0
}

/** Where in the data area there are lengths and items that wait: everything else means nothing. */
function definedBytes(golden: Golden): readonly number[] {
  const { data_bytes, consumer, items_hex, item_end_positions } = golden.expect
  return items_hex.flatMap((item, index) => {
    const start = index === 0 ? consumer : (item_end_positions[index - 1] ?? Number.NaN)
    return Array.from({ length: 4 + item.length / 2 }, (_, at) => (start + at) % data_bytes)
  })
}

/** Does to our ring what the step did to the original's. */
async function repeat(device: MemoryBlockDevice, golden: Golden, step: Step): Promise<void> {
  if (typeof step === 'string' || 'patch' in step) throw new Error('not a step of the ring')
  const names: AttachOptions = {
    ...(golden.queue !== null && { queue: golden.queue }),
    ...(golden.client !== null && { client: golden.client }),
  }
  if ('cli' in step) {
    await Producer.create(device, { format: 1 })
    await push(
      device,
      names,
      ['one', 'two', 'three'].map((item) => hex(Buffer.from(item))),
      0,
    )
    return
  }
  const command = step.driver.match(/ (create|push|pop|suspend|resume|ack) \S+\.img ?(\d*)$/)
  switch (command?.[1]) {
    case 'create':
      await Producer.create(device, { eraseOther: true, format: 1 })
      return
    case 'push':
      return push(device, names, step.frames ?? [], step.rc)
    case 'pop':
      return pop(device, names, Number(command[2]))
    case 'ack': {
      const attached = await Producer.attach(device, names)
      if (attached.status === 'attached') await attached.producer.close()
      return
    }
    case 'suspend':
    case 'resume': {
      await using consumer = await Consumer.attach(device, names)
      expect(await consumer[command[1]]()).toEqual({ status: 'ok' })
      return
    }
    default:
      throw new Error(`unknown step ${step.driver}`)
  }
}

async function push(
  device: MemoryBlockDevice,
  names: AttachOptions,
  frames: readonly string[],
  rc: number,
): Promise<void> {
  await using producer = await attached(device, names)
  const outcomes: unknown[] = []
  for (const frame of frames) {
    try {
      const pushed = await producer.push(unhex(frame))
      if (pushed.status === 'ok') await producer.advance(pushed.position)
      outcomes.push(pushed.status)
    } catch (error) {
      outcomes.push(isRingError(error) ? error.code : error)
    }
  }
  const expected = { 0: 'ok', 2: 'RING_ITEM_TOO_LARGE', 3: 'retry' }[rc]
  expect(outcomes).toEqual(frames.map(() => expected))
}

async function pop(device: MemoryBlockDevice, names: AttachOptions, count: number): Promise<void> {
  await using consumer = await Consumer.attach(device, names)
  for (let done = 0; done < count; done++) {
    const popped = await consumer.pop()
    if (popped.status !== 'item') throw new Error('nothing to pop')
    await consumer.advance(popped.position)
  }
}

async function attached(device: MemoryBlockDevice, names: AttachOptions): Promise<ProducerHandle> {
  const result = await Producer.attach(device, names)
  if (result.status !== 'attached') throw new Error('the ring is suspended')
  return result.producer
}

/** Where each damaged image is damaged, and what was put there. */
const damages: Readonly<Record<string, { sector: number; field: string; found: string }>> = {
  'corrupt-bool-consumer': { sector: 2, field: 'suspend', found: '7' },
  'corrupt-consumer-negative': { sector: 2, field: 'consumer', found: '-8' },
  'corrupt-consumer-unaligned': { sector: 2, field: 'consumer', found: '2' },
  'corrupt-consumer-very-negative': { sector: 2, field: 'consumer', found: '-1099511627776' },
  'corrupt-len-beyond-producer': { sector: 3, field: 'length', found: '100' },
  'corrupt-len-huge': { sector: 3, field: 'length', found: '1073741823' },
  'corrupt-len-negative': { sector: 3, field: 'length', found: '4294967295' },
  'corrupt-magic': {
    ...{ sector: 0, field: 'magic' },
    found: 'unknown data ("Mirage shared-block-device 1.0" at byte 0)',
  },
  'corrupt-magic-newer': {
    ...{ sector: 0, field: 'magic' },
    found: 'a shared-block-ring of another version',
  },
  'corrupt-pointers-huge': { sector: 1, field: 'producer', found: '9223372036854775800' },
  'corrupt-producer-behind': { sector: 1, field: 'producer', found: '8' },
  'corrupt-producer-negative': { sector: 1, field: 'producer', found: '-8' },
}

describe.each(goldens(true))('$name: $note', (golden) => {
  test('gives a typed error that says where, soon, in little memory, and changes nothing', async () => {
    const device = await goldenDevice(golden)
    const before = process.memoryUsage()
    const started = process.cpuUsage()
    const failures = [
      await failure(async () => {
        await using consumer = await Consumer.attach(device)
        await consumer.pop()
      }),
      await failure(async () => collect((await inspectRing(device)).items())),
    ]
    if (!golden.name.startsWith('corrupt-len')) {
      failures.push(await failure(() => Producer.attach(device)))
    }
    // Processor time: how long the machine kept us waiting says nothing about us.
    const { user, system } = process.cpuUsage(started)
    expect(user + system).toBeLessThan(100_000)
    const after = process.memoryUsage()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(16 << 20)

    for (const error of failures) {
      const isMagic = golden.name.startsWith('corrupt-magic')
      expect(error).toMatchObject({
        name: 'RingError',
        code: isMagic ? 'RING_NOT_INITIALISED' : 'RING_CORRUPT',
        details: { ...damages[golden.name], device: golden.image, expected: expect.any(String) },
      })
    }
    expect(hex(await deviceBytes(device))).toBe(hex(goldenBytes(golden)))
  })

  test('is not created over, and not written to by a role that cannot attach', async () => {
    const device = await goldenDevice(golden)
    const isMagic = golden.name.startsWith('corrupt-magic')
    if (isMagic) {
      expect(await failure(() => Producer.create(device, { format: 1 }))).toMatchObject({
        code: 'RING_NOT_BLANK',
      })
    } else {
      expect(await Producer.create(device, { format: 1 })).toEqual({ created: false })
    }
    expect(hex(await deviceBytes(device))).toBe(hex(goldenBytes(golden)))
  })
})

async function failure(operation: () => Promise<unknown>): Promise<unknown> {
  try {
    await operation()
  } catch (error) {
    return error
  }
  throw new Error('expected a failure')
}
