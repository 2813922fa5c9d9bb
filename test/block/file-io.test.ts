import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { allocateAligned, BouncePool, isAligned } from '../../src/block/file/io/aligned.ts'
import { findMapped, findUnmapped, type Seeks } from '../../src/block/file/io/extents.ts'
import { Flusher } from '../../src/block/file/io/flusher.ts'
import { isOneCall, MAX_CALL_BUFFERS, transfer } from '../../src/block/file/io/transfer.ts'
import { deviceId, readRawDevice } from '../../src/block/file/sysfs.ts'
import { ALWAYS } from '../../src/block/permit.ts'

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

describe('transfer', () => {
  /** A file in memory that moves at most `limit` bytes a call, and fails when `fail` says so. */
  function file(size: number, limit = Number.POSITIVE_INFINITY, fail?: (call: number) => string) {
    const content = Uint8Array.from({ length: size }, (_, index) => (index >> 3) % 251)
    const calls: { position: number; buffers: number; bytes: number }[] = []
    const read = async (_fd: number, buffers: readonly Uint8Array[], position: number) => {
      const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
      const code = fail?.(calls.length)
      calls.push({ position, buffers: buffers.length, bytes })
      if (code) throw systemError(code)
      let at = position
      const end = Math.min(size, position + Math.min(bytes, limit))
      for (const buffer of buffers) {
        const part = content.subarray(at, Math.min(end, at + buffer.length))
        buffer.set(part)
        at += part.length
      }
      return Math.max(0, at - position)
    }
    return { content, calls, read }
  }

  test('continues after short transfers, from a whole sector', async () => {
    const { content, calls, read } = file(8192, 700)
    const buffers = [new Uint8Array(512), new Uint8Array(0), new Uint8Array(1536)]
    expect(await transfer(read, 0, buffers, 1024, 512, ALWAYS)).toBe(2048)
    expect(Buffer.concat(buffers)).toEqual(Buffer.from(content.subarray(1024, 3072)))
    expect(calls.map((call) => call.position)).toEqual([1024, 1536, 2048, 2560])
  })

  test('passes at most 1024 buffers a call', async () => {
    const { content, calls, read } = file(512 * 2500)
    const buffers = Array.from({ length: 2500 }, () => new Uint8Array(512))
    expect(await transfer(read, 0, buffers, 0, 512, ALWAYS)).toBe(512 * 2500)
    expect(Buffer.concat(buffers).equals(content)).toBe(true)
    expect(calls.map((call) => call.buffers)).toEqual([1024, 1024, 452])
  })

  test('passes at most 1 GiB a call', async () => {
    // Its pages are never touched, so they cost nothing.
    const memory = new Uint8Array(new ArrayBuffer(2 ** 31, { maxByteLength: 2 ** 31 }))
    const sizes: number[] = []
    const count = async (_fd: number, buffers: readonly Uint8Array[]): Promise<number> => {
      sizes.push(buffers.reduce((sum, buffer) => sum + buffer.length, 0))
      return sizes.at(-1) ?? 0
    }
    const head = memory.subarray(0, 512)
    expect(await transfer(count, 0, [head, memory], 0, 512, ALWAYS)).toBe(2 ** 31 + 512)
    expect(sizes).toEqual([2 ** 30, 2 ** 30, 512])
    expect(isOneCall([memory], memory.length)).toBe(false)
    expect(isOneCall([head], 512)).toBe(true)
    expect(isOneCall(new Array(MAX_CALL_BUFFERS + 1).fill(head), 512)).toBe(false)
  })

  test('stops at the end of the file, also within a sector', async () => {
    for (const size of [1024, 1300]) {
      const { calls, read } = file(size)
      expect(await transfer(read, 0, [new Uint8Array(2048)], 0, 512, ALWAYS)).toBe(1024)
      expect(calls.length).toBe(2)
    }
  })

  test('calls again when it was interrupted, but not forever', async () => {
    for (const code of ['EINTR', 'EAGAIN']) {
      const some = file(1024, 512, (call) => (call < 5 ? code : ''))
      expect(await transfer(some.read, 0, [new Uint8Array(1024)], 0, 512, ALWAYS)).toBe(1024)
      const always = file(1024, 512, () => code)
      const failed = transfer(always.read, 0, [new Uint8Array(1024)], 0, 512, ALWAYS)
      await expect(failed).rejects.toThrow(code)
    }
  })

  test('never calls again after another error', async () => {
    const { calls, read } = file(1024, 512, (call) => (call === 1 ? 'EIO' : ''))
    await expect(transfer(read, 0, [new Uint8Array(1024)], 0, 512, ALWAYS)).rejects.toThrow('EIO')
    expect(calls.length).toBe(2)
  })
})

describe('aligned memory', () => {
  test('is known by where it came from and where it begins', () => {
    const memory = allocateAligned(8192)
    expect(memory.length).toBe(8192)
    expect(isAligned(memory, 512)).toBe(true)
    expect(isAligned(memory.subarray(512), 512)).toBe(true)
    expect(isAligned(memory.subarray(512), 1024)).toBe(false)
    expect(isAligned(memory.subarray(4096), 65536)).toBe(true)
    expect(isAligned(new Uint8Array(8192), 512)).toBe(false)
    const large = allocateAligned(1 << 20)
    const { buffer } = large
    const moved = new Uint8Array(structuredClone(buffer, { transfer: [buffer as ArrayBuffer] }))
    expect(large).toHaveLength(0)
    expect(isAligned(moved, 4096)).toBe(true)
    expect(isAligned(new Uint8Array(0), 512)).toBe(true)
  })

  test('pieces begin at pages of their own, and are zeroes', () => {
    const sizes = Array.from({ length: 200 }, (_, index) => ((index * 7) % 40) * 512)
    const pieces = sizes.map((size) => allocateAligned(size))
    for (const [index, piece] of pieces.entries()) {
      expect(piece.length).toBe(sizes[index])
      expect(isAligned(piece, 4096)).toBe(true)
      expect(piece.every((byte) => byte === 0)).toBe(true)
      piece.fill(index + 1)
    }
    const kept = pieces.map((piece, index) => piece.every((byte) => byte === (index + 1) % 256))
    expect(kept).not.toContain(false)
    const [small, large] = [allocateAligned(4096), allocateAligned(1 << 20)]
    expect(small.buffer.byteLength).toBeGreaterThan(4096)
    expect(large.buffer.byteLength).toBe(1 << 20)
  })

  test('the pool lends no more than it has, and takes back after failures', async () => {
    const pool = new BouncePool(2, 512)
    const seen = new Set<Uint8Array>()
    let lent = 0
    let most = 0
    const uses = Array.from({ length: 10 }, (_, index) =>
      pool.use(async (memory) => {
        seen.add(memory)
        most = Math.max(most, ++lent)
        await new Promise((resolve) => setImmediate(resolve))
        lent--
        if (index % 3 === 0) throw new Error('failed')
      }),
    )
    const results = await Promise.allSettled(uses)
    expect(results.filter((result) => result.status === 'rejected').length).toBe(4)
    expect({ most, made: seen.size }).toEqual({ most: 2, made: 2 })
  })
})

describe('Flusher', () => {
  /** Each flush waits until the test ends it. */
  function controlled() {
    const pending: PromiseWithResolvers[] = []
    const flusher = new Flusher(async (permit) => {
      permit()
      await new Promise<void>((resolve, reject) => pending.push({ resolve, reject }))
    })
    return { flusher, pending }
  }
  interface PromiseWithResolvers {
    resolve(): void
    reject(error: Error): void
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve))

  test('callers share a flush that begins after they called', async () => {
    const { flusher, pending } = controlled()
    const done: string[] = []
    const note = (name: string) => flusher.flush(ALWAYS).then(() => done.push(name))
    const all = [note('a'), note('b'), note('c')]
    expect(pending.length).toBe(1)
    pending[0]?.resolve()
    await turn()
    expect(done).toEqual(['a'])
    expect(pending.length).toBe(2)
    all.push(note('d'))
    pending[1]?.resolve()
    await turn()
    expect(done).toEqual(['a', 'b', 'c'])
    expect(pending.length).toBe(3)
    pending[2]?.resolve()
    await Promise.all(all)
    await turn()
    all.push(note('e'))
    expect(pending.length).toBe(4)
    pending[3]?.resolve()
    await Promise.all(all)
  })

  test('a failure lasts, because the kernel reports lost data only once', async () => {
    const { flusher, pending } = controlled()
    const both = Promise.allSettled([flusher.flush(ALWAYS), flusher.flush(ALWAYS)])
    pending[0]?.reject(new Error('lost'))
    expect((await both).map((result) => result.status)).toEqual(['rejected', 'rejected'])
    await expect(flusher.flush(ALWAYS)).rejects.toThrow('lost')
    expect(pending.length).toBe(1)
  })

  test('a flush that none of its callers may send is not sent, and is no failure', async () => {
    const { flusher, pending } = controlled()
    const over = new Error('over')
    const refuse = (): void => {
      throw over
    }
    const first = flusher.flush(ALWAYS)
    const refused = [flusher.flush(refuse), flusher.flush(refuse)]
    pending[0]?.resolve()
    await first
    for (const each of await Promise.allSettled(refused)) {
      expect(each).toEqual({ status: 'rejected', reason: over })
    }
    await expect(flusher.flush(refuse)).rejects.toBe(over)
    expect(pending.length).toBe(1)

    // Whoever waited behind one that was refused, or with one, gets what it asked for.
    const behind = [flusher.flush(refuse), flusher.flush(refuse), flusher.flush(ALWAYS)]
    const settled = Promise.allSettled(behind)
    await turn()
    expect(pending.length).toBe(2)
    pending[1]?.resolve()
    const outcomes = (await settled).map(({ status }) => status)
    expect(outcomes).toEqual(['rejected', 'fulfilled', 'fulfilled'])
  })
})

describe('extents', () => {
  /** A file of data and holes in blocks of 4096 bytes: `d` and `.`. */
  function native(blocks: string): Seeks {
    const find = (wanted: string, offset: number): number | undefined => {
      if (offset >= blocks.length * 4096) return undefined
      if (blocks[Math.floor(offset / 4096)] === wanted) return offset
      const found = blocks.indexOf(wanted, Math.floor(offset / 4096))
      if (found >= 0) return found * 4096
      return wanted === '.' ? blocks.length * 4096 : undefined
    }
    return {
      seekData: (_fd, offset) => find('d', offset),
      seekHole: (_fd, offset) => find('.', offset),
    }
  }

  test('a sector is a hole only as a whole, and data if any of it is', () => {
    const file = native('d.dd..d...d.')
    // Sectors of 8192 bytes: d. dd .. d. .. d.
    const unmapped = [0, 1, 2, 3, 4, 5].map((sector) => findUnmapped(file, 0, 8192, sector))
    expect(unmapped).toEqual([2, 2, 2, 4, 4, 6])
    const mapped = [0, 1, 2, 3, 4, 5].map((sector) => findMapped(file, 0, 8192, sector))
    expect(mapped).toEqual([0, 1, 3, 3, 5, 5])
    expect(findMapped(file, 0, 4096, 11)).toBe(undefined)
    expect(findUnmapped(file, 0, 4096, 12)).toBe(undefined)
  })
})

describe('sysfs', () => {
  test('device numbers', () => {
    expect(deviceId(1792n)).toBe('7:0')
    expect(deviceId((8n << 8n) | 17n)).toBe('8:17')
    expect(deviceId((259n << 8n) | 0x3n | (0x12n << 20n))).toBe('259:4611')
    expect(deviceId((0x1000n << 32n) | (0x567n << 8n))).toBe(`${0x1567}:0`)
  })

  test('a partition has the queue of its disk', async () => {
    const root = mkdtempSync(join(tmpdir(), 'sbr-sysfs-'))
    try {
      const disk = join(root, 'devices/sda')
      const put = (path: string, text: string) => writeFileSync(join(disk, path), `${text}\n`)
      mkdirSync(join(disk, 'queue'), { recursive: true })
      mkdirSync(join(disk, 'sda1'))
      mkdirSync(join(root, 'dev/block'), { recursive: true })
      symlinkSync('../../devices/sda', join(root, 'dev/block/8:0'))
      symlinkSync('../../devices/sda/sda1', join(root, 'dev/block/8:1'))
      put('size', '2048')
      put('ro', '0')
      put('sda1/size', '1024')
      put('sda1/ro', '1')
      put('sda1/partition', '1')
      put('queue/logical_block_size', '4096')
      const disk0 = {
        id: '8:0',
        sizeBytes: 1 << 20,
        logicalBlockSize: 4096,
        readOnly: false,
        cheapDsync: false,
        zeroes: false,
      }
      expect(await readRawDevice('8:0', root)).toEqual(disk0)
      put('queue/write_cache', 'write back')
      put('queue/fua', '0')
      expect(await readRawDevice('8:0', root)).toMatchObject({ cheapDsync: false })
      put('queue/fua', '1')
      put('queue/write_zeroes_max_bytes', '1048576')
      expect(await readRawDevice('8:0', root)).toEqual({ ...disk0, cheapDsync: true, zeroes: true })
      put('queue/fua', '0')
      put('queue/write_cache', 'write through')
      expect(await readRawDevice('8:1', root)).toEqual({
        id: '8:1',
        sizeBytes: 1 << 19,
        logicalBlockSize: 4096,
        readOnly: true,
        cheapDsync: true,
        zeroes: true,
      })
      await expect(readRawDevice('8:2', root)).rejects.toMatchObject({ code: 'ENOENT' })
    } finally {
      rmSync(root, { recursive: true })
    }
  })
})
