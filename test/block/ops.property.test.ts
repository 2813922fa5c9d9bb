import { describe, expect, test } from 'vitest'
import {
  type BlockCapabilities,
  type BlockDevice,
  type BlockInfo,
  NO_CAPABILITIES,
} from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { compare } from '../../src/block/ops/compare.ts'
import { copy } from '../../src/block/ops/copy.ts'
import { erase } from '../../src/block/ops/erase.ts'
import { fill } from '../../src/block/ops/fill.ts'
import { fold, foldMapped, foldUnmapped } from '../../src/block/ops/fold.ts'
import type { OperationOptions } from '../../src/block/ops/options.ts'
import { fillRandom } from '../../src/block/ops/random.ts'
import { sparseCopy } from '../../src/block/ops/sparse-copy.ts'
import { CheckedBlockDevice } from '../../src/block/wrap/checked.ts'
import { ForwardingBlockDevice } from '../../src/block/wrap/forward.ts'
import { BlockError } from '../../src/errors.ts'
import { fc } from '../helpers/property.ts'
import { UnreadableBlockDevice } from '../helpers/unreadable.ts'
import { FaultyBlockDevice } from './faulty.ts'

/** All sectors are whole numbers of these. */
const UNIT = 4096

/**
 * A device that can only do some of what it could, knows exactly which sectors are zeroes, and settles requests
 * in an order of its own.
 */
class LimitedBlockDevice extends ForwardingBlockDevice {
  readonly #limits: Partial<BlockCapabilities>
  #turn = 0

  constructor(device: BlockDevice, limits: Partial<BlockCapabilities>) {
    super(device)
    this.#limits = limits
  }

  override get capabilities(): BlockCapabilities {
    return { ...super.capabilities, ...this.#limits }
  }

  override async read(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
    this.#turn++
    if (this.#turn % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    if (this.capabilities.singleSectorBuffers && buffers.some(({ length }) => length > 512)) {
      throw new RangeError('buffers of one sector only')
    }
    await super.read(sectorStart, buffers)
  }

  override async discard(sectorStart: number, sectors: number): Promise<void> {
    if (!this.capabilities.discard) throw new Error('has no discard')
    await super.discard(sectorStart, sectors)
  }

  override seekMapped(sectorStart: number): Promise<number> {
    return this.#seek(sectorStart, (byte) => byte !== 0)
  }

  override seekUnmapped(sectorStart: number): Promise<number> {
    return this.#seek(sectorStart, (byte) => byte === 0)
  }

  async #seek(sectorStart: number, wanted: (byte: number) => boolean): Promise<number> {
    if (!this.capabilities.seek) throw new Error('has no seek')
    const { sectorSize, sizeSectors } = await this.getInfo()
    const bytes = new Uint8Array(sectorSize)
    for (let sector = sectorStart; sector < sizeSectors; sector++) {
      await super.read(sector, [bytes])
      const data = bytes.find((byte) => byte !== 0) ?? 0
      if (wanted(data)) return sector
    }
    return sizeSectors
  }
}

const limits = fc.constantFrom<Partial<BlockCapabilities>>(
  {},
  { seek: false },
  { discard: false },
  { seek: false, discard: false },
)
const sectorSize = fc.constantFrom(512, 1024, 4096)
const options: fc.Arbitrary<OperationOptions> = fc.record({
  concurrency: fc.integer({ min: 1, max: 5 }),
  chunkBytes: fc.constantFrom(1, 512, 1536, 4096, 10_000, 1 << 20),
})
/** Content with holes: for each unit the byte in each of its eighths, 0 being a hole. */
const content = fc
  .array(fc.oneof(fc.constant([0]), fc.array(fc.nat(3), { minLength: 1, maxLength: 8 })), {
    maxLength: 24,
  })
  .map((units) => {
    const bytes = new Uint8Array(units.length * UNIT)
    for (const [unit, values] of units.entries()) {
      for (let part = 0; part < 8; part++) {
        const at = unit * UNIT + part * 512
        bytes.fill(values[part % values.length] ?? 0, at, at + 512)
      }
    }
    return bytes
  })

/** A device that holds the bytes, with holes where a run of them is zero. */
async function deviceOf(
  bytes: Uint8Array,
  size: number,
  limit: Partial<BlockCapabilities> = {},
): Promise<BlockDevice> {
  const device = new MemoryBlockDevice({ sectorSize: size, sizeSectors: bytes.length / size })
  for (let at = 0; at < bytes.length; at += size) {
    const sector = bytes.slice(at, at + size)
    if (sector.some((byte) => byte !== 0)) await device.write(at / size, [sector])
  }
  return new LimitedBlockDevice(await CheckedBlockDevice.open(device), limit)
}

async function bytesOf(device: BlockDevice): Promise<Uint8Array> {
  const { sectorSize: size, sizeSectors } = await device.getInfo()
  const bytes = new Uint8Array(size * sizeSectors)
  await device.read(0, [bytes])
  return bytes
}

/** `toEqual` takes long for this many bytes. */
function expectBytes(found: Uint8Array, expected: Uint8Array): void {
  expect(found.length).toBe(expected.length)
  expect(Buffer.compare(found, expected)).toBe(0)
}

/** Progress that only grows, up to all that there is. */
function watched(sizeBytes: number): { options: OperationOptions; check: () => void } {
  let seen = 0
  return {
    options: {
      onProgress: (doneBytes, totalBytes) => {
        expect(totalBytes).toBe(sizeBytes)
        expect(doneBytes).toBeGreaterThan(seen)
        seen = doneBytes
      },
    },
    check: () => expect(seen).toBe(sizeBytes),
  }
}

describe('fold', () => {
  test('takes everything in order', async () => {
    await fc.assert(
      fc.asyncProperty(content, sectorSize, options, async (bytes, size, chosen) => {
        const device = await deviceOf(bytes, size)
        const progress = watched(bytes.length)
        const found = await fold<Uint8Array>(
          device,
          new Uint8Array(0),
          (state, piece) => {
            expect(piece.sectorStart * size).toBe(state.length)
            return Buffer.concat([state, piece.bytes])
          },
          { ...chosen, ...progress.options },
        )
        expectBytes(found, bytes)
        progress.check()
      }),
    )
  })

  test('mapped and unmapped pieces make up the device, and holes are zeroes', async () => {
    await fc.assert(
      fc.asyncProperty(content, sectorSize, options, limits, async (bytes, size, chosen, limit) => {
        const device = await deviceOf(bytes, size, limit)
        const covered = new Uint8Array(bytes.length).fill(9)
        const seen = [watched(bytes.length), watched(bytes.length)] as const
        const mapped = await foldMapped(
          device,
          0,
          (total, piece) => {
            covered.set(piece.bytes, piece.sectorStart * size)
            return total + piece.bytes.length
          },
          { ...chosen, ...seen[0].options },
        )
        const holes = await foldUnmapped(
          device,
          0,
          (total, { sectorStart, sectors }) => {
            covered.fill(0, sectorStart * size, (sectorStart + sectors) * size)
            return total + sectors * size
          },
          { ...chosen, ...seen[1].options },
        )
        expectBytes(covered, bytes)
        expect(mapped + holes).toBe(bytes.length)
        if (limit.seek === false) expect(holes).toBe(0)
        for (const each of seen) each.check()
      }),
    )
  })

  test('a step may take its time, and what it throws ends the fold', async () => {
    const device = await deviceOf(new Uint8Array(8 * UNIT).fill(1), 512)
    const slow = async (count: number): Promise<number> => {
      await new Promise((resolve) => setImmediate(resolve))
      if (count === 5) throw new Error('enough')
      return count + 1
    }
    await expect(fold(device, 0, slow, { chunkBytes: 512 })).rejects.toThrow('enough')
    expect(await fold(device, 0, slow, { chunkBytes: UNIT * 2 })).toBe(4)
  })

  test('a fold that ends early ends when what it read ahead has settled', async () => {
    const device = new FaultyBlockDevice(new MemoryBlockDevice({ sizeSectors: 64 }))
    let inFlight = 0
    let most = 0
    const stop = new AbortController()
    device.delay = async () => {
      inFlight++
      most = Math.max(most, inFlight)
      // The first one settles before the others.
      for (let turns = inFlight; turns > 0; turns--) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      inFlight--
    }
    const fail = (): never => {
      throw new Error('enough')
    }
    const early = { chunkBytes: 512, concurrency: 4 }
    await expect(fold(device, 0, fail, early)).rejects.toThrow('enough')
    expect(inFlight).toBe(0)
    expect(device.requests.length).toBeLessThanOrEqual(4)
    const onStep = (count: number): number => {
      stop.abort(new Error('no more'))
      return count
    }
    const abort = { ...early, signal: stop.signal }
    await expect(fold(device, 0, onStep, abort)).rejects.toThrow('no more')
    expect([inFlight, most]).toEqual([0, 4])
  })
})

describe('compare', () => {
  test('finds the first byte that differs', async () => {
    const place = fc.option(fc.nat(24 * UNIT - 1))
    await fc.assert(
      fc.asyncProperty(
        content,
        sectorSize,
        sectorSize,
        options,
        fc.tuple(place, place),
        async (bytes, sizeA, sizeB, chosen, places) => {
          const other = bytes.slice()
          const differing = places.filter((at) => at !== null && at < bytes.length)
          for (const at of differing) other[at ?? 0] = 77
          const progress = watched(bytes.length)
          const found = await compare(await deviceOf(bytes, sizeA), await deviceOf(other, sizeB), {
            ...chosen,
            ...progress.options,
          })
          if (differing.length === 0) progress.check()
          const offset = Math.min(...differing.map((at) => at ?? 0))
          const expected =
            differing.length === 0 ? { status: 'equal' } : { status: 'different', offset }
          expect(found).toEqual(expected)
        },
      ),
    )
  })

  test('devices of differing size differ in size', async () => {
    const [small, big] = [new Uint8Array(UNIT), new Uint8Array(2 * UNIT)]
    expect(await compare(await deviceOf(small, 512), await deviceOf(big, 4096))).toEqual({
      status: 'different-size',
      sizeBytes: [UNIT, 2 * UNIT],
    })
  })
})

for (const [name, operation] of Object.entries({ copy, sparseCopy })) {
  describe(name, () => {
    test('makes the target hold what the source does', async () => {
      await fc.assert(
        fc.asyncProperty(
          content,
          fc.tuple(sectorSize, sectorSize),
          options,
          fc.tuple(limits, limits),
          fc.boolean(),
          async (bytes, [sizeFrom, sizeTo], chosen, [limitFrom, limitTo], blank) => {
            const from = await deviceOf(bytes, sizeFrom, limitFrom)
            const before = blank ? bytes.slice().fill(0) : bytes.map((byte) => (byte + 1) & 1)
            const to = await deviceOf(before, sizeTo, limitTo)
            const progress = watched(bytes.length)
            await operation(from, to, { ...chosen, ...progress.options })
            expectBytes(await bytesOf(to), bytes)
            expectBytes(await bytesOf(from), bytes)
            progress.check()
          },
        ),
      )
    })

    test('refuses what it cannot do before any write', async () => {
      const from = await deviceOf(new Uint8Array(2 * UNIT).fill(1), 512)
      await expect(operation(from, from)).rejects.toThrow(TypeError)
      const rom = new MemoryBlockDevice({ sizeSectors: 16, mode: 'read-only', name: 'rom' })
      const readOnly = new FaultyBlockDevice(rom)
      await expect(operation(from, readOnly)).rejects.toMatchObject({
        code: 'BLOCK_READ_ONLY',
        message: 'rom is read-only; nothing was written',
      })
      expect(readOnly.requests).toEqual([])
      for (const bad of [{ concurrency: 0 }, { concurrency: 1.5 }, { chunkBytes: 0 }]) {
        const to = new FaultyBlockDevice(new MemoryBlockDevice({ sizeSectors: 16 }))
        await expect(operation(from, to, bad)).rejects.toThrow(RangeError)
        expect(to.requests).toEqual([])
      }
    })

    test('refuses one storage under two names, and changes nothing', async () => {
      await fc.assert(
        fc.asyncProperty(
          content.filter(({ length }) => length > 0),
          sectorSize,
          options,
          fc.tuple(limits, limits),
          async (bytes, size, chosen, [limitFrom, limitTo]) => {
            const one = await deviceOf(bytes, size)
            const from = new LimitedBlockDevice(one, limitFrom)
            const to = new LimitedBlockDevice(one, limitTo)
            await expect(operation(from, to, chosen)).rejects.toThrow(TypeError)
            expectBytes(await bytesOf(one), bytes)
          },
        ),
      )
    })

    test('goes from and to devices with sectors of any size', async () => {
      const sectorSize = 128 << 10
      /** Sectors that are larger than those of any device of ours. */
      class LargeSectors extends ForwardingBlockDevice {
        override async getInfo(): Promise<BlockInfo> {
          const info = await super.getInfo()
          const sizeSectors = (info.sizeSectors * info.sectorSize) / sectorSize
          return { ...info, sectorSize, sizeSectors }
        }
        override read(sector: number, buffers: readonly Uint8Array[]): Promise<void> {
          return super.read((sector * sectorSize) / 512, buffers)
        }
        override write(sector: number, buffers: readonly Uint8Array[]): Promise<void> {
          return super.write((sector * sectorSize) / 512, buffers)
        }
        override writeZeroes(sector: number, sectors: number): Promise<void> {
          return super.writeZeroes((sector * sectorSize) / 512, (sectors * sectorSize) / 512)
        }
        override get capabilities(): BlockCapabilities {
          return NO_CAPABILITIES
        }
      }
      const bytes = new Uint8Array(3 * sectorSize).fill(7)
      const target = await deviceOf(new Uint8Array(bytes.length), 512)
      await operation(new LargeSectors(await deviceOf(bytes, 512)), new LargeSectors(target))
      expectBytes(await bytesOf(target), bytes)
    })

    test('goes to a target whose last sector cannot be read, and makes it readable', async () => {
      const bytes = new Uint8Array(4 * UNIT).fill(1)
      const target = new MemoryBlockDevice({ sizeSectors: 32 })
      const to = new UnreadableBlockDevice(target).spoil(4 * UNIT - 512)
      await operation(await deviceOf(bytes, 512), to)
      expectBytes(await bytesOf(to), bytes)
    })

    test('changes nothing where the last sector of one storage cannot be read at first', async () => {
      const bytes = new Uint8Array(4 * UNIT).map((_, at) => at % 251)
      const one = await deviceOf(bytes, 512)
      const to = new UnreadableBlockDevice(one).spoil(4 * UNIT - 512, 512, 1)
      await expect(operation(one, to)).rejects.toThrow(TypeError)
      expectBytes(await bytesOf(one), bytes)
    })

    test('ends when it is aborted, after the requests in flight', async () => {
      const from = await deviceOf(new Uint8Array(16 * UNIT).fill(1), 512)
      const to = new FaultyBlockDevice(new MemoryBlockDevice({ sizeSectors: 128 }))
      let inFlight = 0
      to.delay = async () => {
        inFlight++
        await new Promise((resolve) => setTimeout(resolve, 2))
        inFlight--
      }
      const abort = new AbortController()
      const done: number[] = []
      const request = operation(from, to, {
        signal: abort.signal,
        chunkBytes: UNIT,
        concurrency: 3,
        onProgress: (doneBytes) => {
          done.push(doneBytes)
          if (doneBytes === 3 * UNIT) abort.abort(new Error('that will do'))
        },
      })
      await expect(request).rejects.toThrow('that will do')
      expect(inFlight).toBe(0)
      expect(done.length).toBeLessThan(9)
      expect(to.requests).not.toContain('flush')
      await expect(operation(from, to, { signal: AbortSignal.abort() })).rejects.toThrow('abort')
    })

    test('a failed write ends it, when the others have settled', async () => {
      const from = await deviceOf(new Uint8Array(16 * UNIT).fill(1), 512)
      const to = new FaultyBlockDevice(new MemoryBlockDevice({ sizeSectors: 128 }))
      to.failing.add('write')
      to.failures = 1
      let inFlight = 0
      to.delay = async () => {
        inFlight++
        await new Promise((resolve) => setTimeout(resolve, 2))
        inFlight--
      }
      const request = operation(from, to, { chunkBytes: 512, concurrency: 3 })
      await expect(request).rejects.toMatchObject({ code: 'BLOCK_IO' })
      expect(inFlight).toBe(0)
      expect(to.requests.length).toBeLessThan(10)
    })

    test('takes one-sector buffers where those are asked for', async () => {
      const bytes = new Uint8Array(4 * UNIT).fill(3)
      const from = await deviceOf(bytes, 512, { singleSectorBuffers: true })
      const to = new FaultyBlockDevice(new MemoryBlockDevice({ sizeSectors: 32 }))
      await operation(from, to)
      expect(to.requests.at(-1)).toBe('flush')
      expectBytes(await bytesOf(to), bytes)
    })
  })
}

for (const [name, operation] of Object.entries({ copy, sparseCopy })) {
  describe(`the start of what ${name} writes`, () => {
    const EVERY = ['write', 'writeZeroes', 'flush']
    const chunkBytes = 2 * UNIT
    const bytes = new Uint8Array(16 * UNIT).map((_, at) => 1 + (at % 251))

    /** Cuts the copy short at each of its requests, as a crash does, and shows what is left of the target. */
    async function cutShort(
      before: Uint8Array,
      limit: Partial<BlockCapabilities>,
      check: (left: Uint8Array, pending: readonly string[]) => void,
    ): Promise<void> {
      const from = await deviceOf(bytes, 512)
      const whole = new FaultyBlockDevice(await deviceOf(before, 512, limit))
      await operation(from, whole, { chunkBytes, concurrency: 2 })
      const all = [...whole.requests]
      expectBytes(await bytesOf(whole), bytes)
      for (let requests = 0; requests < all.length; requests++) {
        const to = new FaultyBlockDevice(await deviceOf(before, 512, limit))
        to.delay = async () => {
          if (to.requests.length > requests) for (const each of EVERY) to.failing.add(each)
        }
        const cut = operation(from, to, { chunkBytes, concurrency: 2 })
        await expect(cut).rejects.toMatchObject({ code: 'BLOCK_IO' })
        check(await bytesOf(to), all.slice(requests))
      }
    }

    test('stays blank until all the rest is on stable storage', async () => {
      for (const limit of [{}, { seek: false, discard: false }]) {
        await cutShort(new Uint8Array(bytes.length), limit, (left, pending) => {
          const rest = Buffer.compare(left.subarray(chunkBytes), bytes.subarray(chunkBytes)) === 0
          // At the end come a flush of the rest, the first chunk, a flush, the first unit and a flush.
          const started = left.subarray(0, chunkBytes).some((byte) => byte !== 0)
          if (started) expect(rest).toBe(true)
          if (pending.length > 4) expect(started).toBe(false)
          expect(left.subarray(0, 512).some((byte) => byte !== 0)).toBe(pending.length === 1)
        })
      }
    })

    test('no longer holds what it did once anything else changed', async () => {
      const before = new Uint8Array(bytes.length).fill(255)
      for (const limit of [{}, { discard: false }, { seek: false, discard: false }]) {
        await cutShort(before, limit, (left) => {
          // In the last sector both were told apart before.
          const restChanged = left.subarray(chunkBytes, -512).some((byte) => byte !== 255)
          if (restChanged) expect(left.subarray(0, chunkBytes)).not.toContain(255)
        })
      }
    })

    test('comes after a flush of the rest, and the first unit after one of the first chunk', async () => {
      const log: string[] = []
      const to = new (class extends ForwardingBlockDevice {
        override async write(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
          log.push(`write ${sectorStart}`)
          await super.write(sectorStart, buffers)
        }
        override async flush(): Promise<void> {
          log.push('flush')
          await super.flush()
        }
      })(new MemoryBlockDevice({ sizeSectors: 48 }))
      const from = await deviceOf(bytes.slice(0, 6 * UNIT), 512)
      await operation(from, to, { chunkBytes, concurrency: 1 })
      // The last sector is written to, and put back, to see that it does not come out at the source.
      const apart = ['write 47', 'write 47']
      const copied = ['write 16', 'write 32', 'flush', 'write 1', 'flush', 'write 0', 'flush']
      expect(log).toEqual([...apart, ...copied])
    })
  })
}

test('copies between devices of differing size are refused, and the message says both', async () => {
  const from = await deviceOf(new Uint8Array(2 * UNIT).fill(1), 512)
  for (const operation of [copy, sparseCopy]) {
    const to = new FaultyBlockDevice(new MemoryBlockDevice({ sizeSectors: 32, name: 'big' }))
    await expect(operation(from, to)).rejects.toThrow(/8192 bytes, but big has 16384/)
    expect(to.requests).toEqual([])
  }
})

test('a sparse copy reads no holes, and leaves holes holes', async () => {
  const bytes = new Uint8Array(64 * UNIT)
  bytes.fill(5, 16 * UNIT, 18 * UNIT)
  const reads: number[] = []
  const from = await deviceOf(bytes, 512)
  const counted = new (class extends ForwardingBlockDevice {
    override read(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
      reads.push(buffers.reduce((total, buffer) => total + buffer.length, 0))
      return super.read(sectorStart, buffers)
    }
  })(from)
  const blank = new MemoryBlockDevice({ sizeSectors: 512 })
  await sparseCopy(counted, blank)
  // The last sector shows whether both are one storage.
  expect(reads.reduce((a, b) => a + b, 0)).toBe(2 * UNIT + 512)
  expect(await blank.seekMapped(0)).toBe(128)
  expect(await blank.seekMapped(144)).toBe(512)
  const used = await MemoryBlockDevice.from(new Uint8Array(64 * UNIT).fill(1))
  const to = new FaultyBlockDevice(used)
  await sparseCopy(from, to)
  // The start of the target is discarded first, which a flush follows.
  const apart = ['read', 'write durable', 'write durable']
  expect(to.requests).toEqual([...apart, 'flush', 'write', 'flush'])
  expect(await used.seekMapped(0)).toBe(128)
  expectBytes(await bytesOf(used), bytes)
})

test('a sparse copy to what reads as zeroes already writes data only, whatever the target can do', async () => {
  const bytes = new Uint8Array(64 * UNIT)
  bytes.fill(5, 16 * UNIT, 18 * UNIT)
  const written: [number, number][] = []
  const target = new MemoryBlockDevice({ sizeSectors: 512 })
  const to = new (class extends ForwardingBlockDevice {
    override get capabilities(): BlockCapabilities {
      return NO_CAPABILITIES
    }
    override write(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
      written.push([sectorStart, buffers.reduce((total, buffer) => total + buffer.length, 0)])
      return super.write(sectorStart, buffers)
    }
    override async writeZeroes(): Promise<void> {
      throw new Error('there are zeroes already')
    }
  })(target)
  await sparseCopy(await deviceOf(bytes, 512), to, { targetIsZero: true })
  expect(written).toEqual([[128, 2 * UNIT]])
  expectBytes(await bytesOf(target), bytes)
})

test('a sparse copy does without discard where that turns out to be impossible', async () => {
  const bytes = new Uint8Array(64 * UNIT).fill(5, 0, UNIT)
  const used = await MemoryBlockDevice.from(new Uint8Array(64 * UNIT).fill(1))
  const to = new (class extends ForwardingBlockDevice {
    override async discard(): Promise<void> {
      throw new BlockError('BLOCK_UNSUPPORTED', 'no holes here', { device: 'file' })
    }
  })(used)
  await sparseCopy(await deviceOf(bytes, 512), to)
  expectBytes(await bytesOf(used), bytes)
})

describe('fill', () => {
  test('depends on seed and offset only', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.tuple(sectorSize, options),
        fc.tuple(sectorSize, options),
        fc.integer({ min: 1, max: 16 }),
        async (seed, [sizeA, optionsA], [sizeB, optionsB], units) => {
          const blank = new Uint8Array(units * UNIT)
          const [a, b] = [await deviceOf(blank, sizeA), await deviceOf(blank, sizeB)]
          const progress = watched(blank.length)
          await fill(a, { ...optionsA, seed, ...progress.options })
          await fill(b, { ...optionsB, seed })
          progress.check()
          fillRandom(blank, seed, 0)
          expectBytes(await bytesOf(a), blank)
          expectBytes(await bytesOf(b), blank)
        },
      ),
    )
  })

  test('never changes from version to version', () => {
    const words = (seed: number, offset: number): number[] => {
      const bytes = new Uint8Array(12)
      fillRandom(bytes, seed, offset)
      return [...new Uint32Array(bytes.buffer)]
    }
    expect(words(0, 0)).toMatchInlineSnapshot(`
      [
        804215951,
        139388833,
        1769966577,
      ]
    `)
    expect(words(1, 0)).toMatchInlineSnapshot(`
      [
        1782140771,
        2442651656,
        2014664297,
      ]
    `)
    expect(words(1, 4).slice(0, 2)).toEqual(words(1, 0).slice(1))
    expect(words(1, 2 ** 34 - 4)).toMatchInlineSnapshot(`
      [
        2965674296,
        178411554,
        1010204416,
      ]
    `)
    expect(words(1, 2 ** 34)).not.toEqual(words(1, 0))
  })

  test('looks random: every byte as often, and no word twice', () => {
    const bytes = new Uint8Array(1 << 20)
    fillRandom(bytes, 42, 0)
    const counts = new Array<number>(256).fill(0)
    for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1
    expect(Math.min(...counts)).toBeGreaterThan(3700)
    expect(Math.max(...counts)).toBeLessThan(4500)
    expect(new Set(new Uint32Array(bytes.buffer)).size).toBe(1 << 18)
  })

  test('is on stable storage when it is done, and so is erasing', async () => {
    const device = new FaultyBlockDevice(new MemoryBlockDevice({ sizeSectors: 8 }))
    await fill(device, { seed: 1 })
    await erase(device)
    expect(device.requests).toEqual(['write', 'flush', 'writeZeroes', 'flush'])
  })

  test('refuses an invalid seed, and a read-only device', async () => {
    const device = new MemoryBlockDevice({ sizeSectors: 8, mode: 'read-only' })
    for (const seed of [-1, 0.5, 2 ** 32, Number.NaN]) {
      await expect(fill(device, { seed })).rejects.toThrow(RangeError)
    }
    await expect(fill(device, { seed: 1 })).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
  })
})

describe('erase', () => {
  test('repeats the pattern from the first byte to the last', async () => {
    const patterns = fc.option(fc.uint8Array({ minLength: 1, maxLength: 5000 }), { nil: undefined })
    await fc.assert(
      fc.asyncProperty(patterns, sectorSize, options, async (pattern, size, chosen) => {
        const device = await deviceOf(new Uint8Array(6 * UNIT).fill(9), size)
        const progress = watched(6 * UNIT)
        const given = pattern === undefined ? {} : { pattern }
        await erase(device, { ...chosen, ...given, ...progress.options })
        const expected = new Uint8Array(6 * UNIT).map(
          (_, at) => pattern?.[at % pattern.length] ?? 0,
        )
        expectBytes(await bytesOf(device), expected)
        progress.check()
      }),
    )
  })

  test('writes what the original’s tool did', async () => {
    const device = new MemoryBlockDevice({ sizeSectors: 3 })
    await erase(device, { pattern: new TextEncoder().encode('ERASED! ') })
    expect(new TextDecoder().decode(await bytesOf(device))).toBe('ERASED! '.repeat(192))
  })

  test('refuses an invalid pattern, and a read-only device', async () => {
    const device = new MemoryBlockDevice({ sizeSectors: 8, mode: 'read-only' })
    await expect(erase(device, { pattern: new Uint8Array(0) })).rejects.toThrow(RangeError)
    await expect(Reflect.apply(erase, undefined, [device, { pattern: 'x' }])).rejects.toThrow(
      TypeError,
    )
    await expect(erase(device)).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
  })
})

test('memory is bounded by concurrency and chunk, whatever the size', async () => {
  let allocated = 0
  const counting = (device: BlockDevice): BlockDevice =>
    new (class extends ForwardingBlockDevice {
      override allocate(bytes: number): Uint8Array {
        allocated += bytes
        return super.allocate(bytes)
      }
    })(device)
  const device = counting(await deviceOf(new Uint8Array(64 * UNIT).fill(1), 512))
  const other = counting(new MemoryBlockDevice({ sizeSectors: 512 }))
  const bounds = { concurrency: 3, chunkBytes: UNIT }
  // A copy holds three sectors more when it looks whether both are one storage.
  const apart = (3 * 512) / UNIT
  const runs: readonly [number, () => Promise<unknown>][] = [
    [3 + apart, () => copy(device, other, bounds)],
    [3 + apart, () => sparseCopy(device, other, bounds)],
    [6, () => compare(device, other, bounds)],
    [3, () => fold(device, 0, (count) => count, bounds)],
    [3, () => foldMapped(device, 0, (count) => count, bounds)],
    [3, () => fill(other, { ...bounds, seed: 1 })],
  ]
  for (const [chunks, run] of runs) {
    allocated = 0
    await run()
    expect(allocated).toBeLessThanOrEqual(chunks * UNIT)
    expect(allocated).toBeGreaterThan(0)
  }
})
