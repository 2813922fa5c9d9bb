import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FileBlockDeviceOptions } from '../../src/block/file/index.ts'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { openFile } from '../../src/block/file/open.ts'
import { isBlockError } from '../../src/errors.ts'
import { runChild } from '../helpers/child.ts'

let directory: string
let path: string
let opened: FileBlockDevice[]

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'sbr-file-'))
  fs.chmodSync(directory, 0o755)
  path = join(directory, 'ring.img')
  opened = []
})

afterEach(async () => {
  for (const device of opened) await device.disconnect()
  fs.rmSync(directory, { recursive: true })
})

async function open(options?: FileBlockDeviceOptions): Promise<FileBlockDevice> {
  const device = await FileBlockDevice.open(path, options)
  opened.push(device)
  return device
}

async function create(sizeBytes = 1 << 20): Promise<FileBlockDevice> {
  const device = await FileBlockDevice.create(path, { sizeBytes })
  opened.push(device)
  return device
}

function pattern(bytes: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + (index >> 9) + seed) % 256)
}

/** As a user that is not root, when we are root: root may write to anything. */
async function unprivileged<T>(run: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return run()
  process.seteuid?.(65534)
  try {
    return await run()
  } finally {
    process.seteuid?.(0)
  }
}

describe('open', () => {
  test('a file has sectors of 512 bytes, and is used up to its last whole one', async () => {
    fs.writeFileSync(path, pattern(5000))
    const device = await open()
    expect(await device.getInfo()).toEqual({
      readWrite: true,
      sectorSize: 512,
      sizeSectors: 9,
      unusedBytes: 392,
    })
    expect({ direct: device.direct, durability: device.durability }).toEqual({
      direct: false,
      durability: 'dsync',
    })
    expect(await (await open({ sectorSize: 4096 })).getInfo()).toMatchObject({ sizeSectors: 1 })
  })

  test('invalid options are refused before the path is looked at', async () => {
    const wrong: [object, ErrorConstructor][] = [
      [{ sectorSize: 511 }, RangeError],
      [{ sectorSize: 1536 }, RangeError],
      [{ mode: 'rw' }, TypeError],
      [{ direct: 'yes' }, TypeError],
      [{ durability: 'fsync' }, TypeError],
      [{ engine: 'worker' }, TypeError],
    ]
    for (const [options, error] of wrong) {
      await expect(FileBlockDevice.open('/nowhere', options)).rejects.toBeInstanceOf(error)
    }
  })

  test('a path that is missing or no block device is BLOCK_OPEN, with the reason', async () => {
    const missing = await open().catch((error: unknown) => error)
    expect(isBlockError(missing) && missing).toMatchObject({
      code: 'BLOCK_OPEN',
      details: { device: path },
      cause: { code: 'ENOENT' },
    })
    expect(String(missing)).toContain('FileBlockDevice.create')
    await expect(FileBlockDevice.open(directory)).rejects.toMatchObject({ code: 'BLOCK_OPEN' })
    await expect(FileBlockDevice.open('/dev/null')).rejects.toMatchObject({ code: 'BLOCK_OPEN' })
  })

  test('mode auto falls back to reading, read-write does not, read-only never writes', async () => {
    fs.writeFileSync(path, pattern(4096))
    const forced = await open({ mode: 'read-only' })
    expect(await forced.getInfo()).toMatchObject({ readWrite: false })
    await expect(forced.write(0, [new Uint8Array(512)])).rejects.toMatchObject({
      code: 'BLOCK_READ_ONLY',
    })
    fs.chmodSync(path, 0o444)
    await unprivileged(async () => {
      const device = await open()
      expect(await device.getInfo()).toMatchObject({ readWrite: false })
      const buffer = new Uint8Array(512)
      await device.read(1, [buffer])
      expect(buffer).toEqual(pattern(4096).subarray(512, 1024))
      await expect(open({ mode: 'read-write' })).rejects.toMatchObject({
        code: 'BLOCK_OPEN',
        cause: { code: 'EACCES' },
      })
    })
  })

  test('direct: auto works on a file system that refuses direct I/O', async () => {
    fs.writeFileSync(path, pattern(4096))
    const refusing = async (file: string, flags: number): Promise<number> => {
      if (flags & fs.constants.O_DIRECT) throw Object.assign(new Error('no'), { code: 'EINVAL' })
      return fs.openSync(file, flags)
    }
    await expect(openFile(path, { direct: true }, refusing)).rejects.toMatchObject({
      code: 'BLOCK_UNSUPPORTED',
    })
    const before = fs.readdirSync('/proc/self/fd').length
    const failing = async (file: string, flags: number): Promise<number> => {
      if (flags & fs.constants.O_DSYNC) throw Object.assign(new Error('no'), { code: 'EMFILE' })
      return fs.openSync(file, flags)
    }
    await expect(openFile(path, {}, failing)).rejects.toMatchObject({ code: 'BLOCK_OPEN' })
    expect(fs.readdirSync('/proc/self/fd').length).toBe(before)
  })

  test('disconnect closes every descriptor', async () => {
    fs.writeFileSync(path, pattern(4096))
    for (const direct of [false, true]) {
      const before = fs.readdirSync('/proc/self/fd').length
      const device = await open({ direct })
      expect(fs.readdirSync('/proc/self/fd').length).toBeGreaterThan(before)
      await device.disconnect()
      expect(fs.readdirSync('/proc/self/fd').length).toBe(before)
    }
  })

  test('a path that changes its meaning while it is opened is refused', async () => {
    fs.writeFileSync(path, pattern(4096))
    const replacing = async (file: string, flags: number): Promise<number> => {
      fs.writeFileSync(`${path}.new`, pattern(4096))
      fs.renameSync(`${path}.new`, path)
      return fs.openSync(file, flags)
    }
    await expect(openFile(path, {}, replacing)).rejects.toThrow('replaced')
  })

  test('exclusive is refused to a second device, under any name, until the first is closed', async () => {
    fs.writeFileSync(path, pattern(4096))
    const first = await open({ exclusive: true })
    const other = join(directory, 'other name')
    fs.linkSync(path, other)
    await expect(FileBlockDevice.open(other, { exclusive: true })).rejects.toMatchObject({
      code: 'BLOCK_CLAIMED',
    })
    await open()
    await first.disconnect()
    opened.push(await FileBlockDevice.open(other, { exclusive: true }))
  })
})

describe('transfer', () => {
  test('direct I/O takes memory at any address, in any number of buffers', async () => {
    fs.writeFileSync(path, new Uint8Array(8 << 20))
    const device = await open({ direct: true })
    expect(device.direct).toBe(true)
    const bytes = pattern((3 << 20) + 512)
    const unaligned = new Uint8Array(bytes.length + 1).subarray(1)
    unaligned.set(bytes)
    await device.write(5, [unaligned.subarray(0, 1024), unaligned.subarray(1024)], {
      durable: true,
    })
    const found = new Uint8Array(bytes.length + 3).subarray(3)
    await device.read(5, [found.subarray(0, 2 << 20), device.allocate(0), found.subarray(2 << 20)])
    expect(Buffer.from(found).equals(bytes)).toBe(true)
    const aligned = device.allocate(bytes.length)
    await device.read(5, [aligned.subarray(0, 512), aligned.subarray(512)])
    expect(Buffer.from(aligned).equals(bytes)).toBe(true)
    expect(
      Buffer.compare(fs.readFileSync(path).subarray(5 * 512, 5 * 512 + bytes.length), bytes),
    ).toBe(0)
  })

  test('reading leaves the access time alone, which slows durable writes down', async (context) => {
    const other = join(directory, 'other')
    for (const each of [path, other]) {
      fs.writeFileSync(each, new Uint8Array(1 << 20))
      fs.utimesSync(each, 1, new Date())
    }
    fs.readFileSync(other)
    if (fs.statSync(other).atimeMs === 1000) context.skip('this file system keeps no access times')
    for (const direct of [false, true]) {
      const device = await open({ direct })
      await device.read(0, [device.allocate(4096)])
      await device.write(8, [device.allocate(4096)], { durable: true })
    }
    expect(fs.statSync(path).atimeMs).toBe(1000)
  })

  test('more than 1024 buffers, durable and not', async () => {
    for (const direct of [false, true]) {
      fs.writeFileSync(path, new Uint8Array(1 << 20))
      const device = await open({ direct })
      const bytes = pattern(1500 * 512, direct ? 2 : 1)
      const memory = device.allocate(bytes.length)
      memory.set(bytes)
      const cut = (from: Uint8Array): Uint8Array[] =>
        Array.from({ length: 1500 }, (_, index) => from.subarray(index * 512, index * 512 + 512))
      await device.write(7, cut(memory), { durable: true })
      const found = device.allocate(bytes.length)
      await device.read(7, cut(found))
      expect(Buffer.from(found).equals(bytes)).toBe(true)
    }
  })

  test('a write beyond the end of a file that has shrunk is refused, and makes no hole', async () => {
    for (const engine of ['pool', 'sync', 'adaptive'] as const) {
      for (const direct of [false, true]) {
        fs.writeFileSync(path, pattern(8192))
        const device = await open({ engine, direct })
        await device.write(7, [new Uint8Array(1024)], { durable: true })
        fs.truncateSync(path, 4096)
        const written = device.write(7, [new Uint8Array(1024)], { durable: true })
        await expect(written).rejects.toMatchObject({
          code: 'BLOCK_SHORT',
          details: { device: path, sector: 7, sectors: 2 },
        })
        expect(fs.statSync(path).size).toBe(4096)
        await device.write(7, [new Uint8Array(512)])
        fs.truncateSync(path, 8192)
        await device.write(7, [new Uint8Array(1024)])
      }
    }
  })

  test('a read that meets the end of the file ends', async () => {
    for (const direct of [false, true]) {
      fs.writeFileSync(path, pattern(8192))
      const device = await open({ direct })
      for (const size of [4096, 4200, 0]) {
        fs.truncateSync(path, size)
        await expect(
          device.read(7, [new Uint8Array(512), new Uint8Array(512)]),
        ).rejects.toMatchObject({
          code: 'BLOCK_SHORT',
          details: { sector: 7, sectors: 2 },
        })
      }
    }
  })

  test('a file that has grown is larger when asked', async () => {
    const device = await create(4096)
    fs.appendFileSync(path, pattern(1024))
    await expect(device.read(8, [new Uint8Array(512)])).rejects.toBeInstanceOf(RangeError)
    expect(await device.getInfo()).toMatchObject({ sizeSectors: 10 })
    const buffer = new Uint8Array(1024)
    await device.read(8, [buffer])
    expect(buffer).toEqual(pattern(1024))
  })
})

describe('create', () => {
  const leftovers = (): string[] => fs.readdirSync(directory).filter((name) => name !== 'ring.img')

  test('writes every block, reports how far it is, and opens the file', async () => {
    const progress: [number, number][] = []
    const sizeBytes = (2 << 20) + 4096
    const device = await FileBlockDevice.create(path, {
      sizeBytes,
      sectorSize: 4096,
      onProgress: (...step) => progress.push(step),
    })
    opened.push(device)
    expect(await device.getInfo()).toEqual({ readWrite: true, sectorSize: 4096, sizeSectors: 513 })
    expect(progress).toEqual([
      [1 << 20, sizeBytes],
      [2 << 20, sizeBytes],
      [sizeBytes, sizeBytes],
    ])
    expect(fs.statSync(path).blocks * 512).toBeGreaterThanOrEqual(sizeBytes)
    expect(fs.readFileSync(path).every((byte) => byte === 0)).toBe(true)
    expect(leftovers()).toEqual([])
  })

  test('never changes an existing file', async () => {
    fs.writeFileSync(path, 'precious')
    const inVain = FileBlockDevice.create(path, {
      sizeBytes: 1 << 20,
      onProgress: () => expect.unreachable('the whole file was written in vain'),
    })
    await expect(inVain).rejects.toMatchObject({ code: 'BLOCK_EXISTS', details: { device: path } })
    fs.rmSync(path)
    fs.symlinkSync('nowhere', path)
    await expect(create()).rejects.toMatchObject({ code: 'BLOCK_EXISTS' })
    fs.rmSync(path)
    // Somebody else makes the file while we write ours.
    const late = FileBlockDevice.create(path, {
      sizeBytes: 1 << 20,
      onProgress: () => fs.writeFileSync(path, 'precious'),
    })
    await expect(late).rejects.toMatchObject({ code: 'BLOCK_EXISTS' })
    expect(fs.readFileSync(path, 'utf8')).toBe('precious')
    expect(leftovers()).toEqual([])
  })

  test('stops when it is told to, and leaves nothing behind', async () => {
    const stop = new AbortController()
    const steps: number[] = []
    const stopped = FileBlockDevice.create(path, {
      sizeBytes: 4 << 20,
      signal: stop.signal,
      onProgress: (doneBytes) => {
        steps.push(doneBytes)
        if (doneBytes === 2 << 20) stop.abort(new Error('enough'))
      },
    })
    await expect(stopped).rejects.toThrow('enough')
    expect(steps).toEqual([1 << 20, 2 << 20])
    const broken = FileBlockDevice.create(path, {
      sizeBytes: 1 << 20,
      onProgress: () => {
        throw Object.assign(new Error('of the caller'), { code: 'EEXIST' })
      },
    })
    await expect(broken).rejects.toThrow('of the caller')
    const { signal } = stop
    await expect(FileBlockDevice.create(path, { sizeBytes: 512, signal })).rejects.toThrow('enough')
    expect(fs.readdirSync(directory)).toEqual([])
  })

  test('a size that is no whole number of sectors, or a wrong option, is refused', async () => {
    for (const sizeBytes of [0, -512, 1000, Number.NaN, 2 ** 60]) {
      await expect(create(sizeBytes)).rejects.toBeInstanceOf(RangeError)
    }
    const wrong = FileBlockDevice.create(path, { sizeBytes: 4096, sectorSize: 5 })
    await expect(wrong).rejects.toBeInstanceOf(RangeError)
    expect(fs.readdirSync(directory)).toEqual([])
    path = join(directory, 'missing/ring.img')
    await expect(create()).rejects.toMatchObject({ code: 'BLOCK_OPEN' })
  })

  test('a process that died while it created a file leaves the path free', async () => {
    const dead = await runChild('dieCreating', path, { sizeBytes: 4 << 20 })
    expect(dead.signal).toBe('SIGKILL')
    expect(leftovers()).toEqual([expect.stringMatching(/^ring\.img\.[0-9a-f]{12}\.tmp$/)])
    expect(fs.existsSync(path)).toBe(false)
    const device = await create(8192)
    expect(await device.getInfo()).toMatchObject({ sizeSectors: 16 })
  })
})

describe('resize', () => {
  test('writes the new part in full, over what follows the last whole sector', async () => {
    fs.writeFileSync(path, pattern(1000))
    const device = await open()
    await device.resize(4096)
    expect(await device.getInfo()).toMatchObject({ sizeSectors: 4096 })
    const { size, blocks } = fs.statSync(path)
    expect(size).toBe(2 << 20)
    expect(blocks * 512).toBeGreaterThanOrEqual(2 << 20)
    const content = fs.readFileSync(path)
    expect(content.subarray(0, 512)).toEqual(Buffer.from(pattern(1000).subarray(0, 512)))
    expect(content.subarray(512).every((byte) => byte === 0)).toBe(true)
    await device.resize(1)
    expect(fs.statSync(path).size).toBe(512)
    await expect(device.read(1, [new Uint8Array(512)])).rejects.toBeInstanceOf(RangeError)
    await expect(device.resize(2 ** 50)).rejects.toBeInstanceOf(RangeError)
  })

  test('is done one at a time', async () => {
    const device = await create(1 << 20)
    await Promise.all([device.resize(8192), device.resize(16), device.resize(4096)])
    expect(await device.getInfo()).toMatchObject({ sizeSectors: 4096 })
    expect(fs.statSync(path).size).toBe(2 << 20)
  })

  test('works with direct I/O', async () => {
    const device = await create(4096)
    await device.disconnect()
    const direct = await open({ direct: true })
    await direct.resize(4099)
    expect(fs.statSync(path).size).toBe(4099 * 512)
  })
})

describe('holes', () => {
  test('are found, made, and keep the size', async () => {
    fs.writeFileSync(path, '')
    fs.truncateSync(path, 1 << 20)
    const device = await open()
    expect(device.capabilities).toMatchObject({ seek: true, discard: true })
    expect(await device.seekMapped(0)).toBe(2048)
    await device.write(128, [pattern(65536)])
    expect(await device.seekMapped(0)).toBe(128)
    expect(await device.seekUnmapped(128)).toBe(256)
    expect(await device.seekMapped(256)).toBe(2048)
    expect(await device.seekUnmapped(2048)).toBe(2048)
    await device.flush()
    const { blocks } = fs.statSync(path)
    await device.discard(128, 128)
    expect(fs.statSync(path)).toMatchObject({ size: 1 << 20 })
    expect(fs.statSync(path).blocks).toBeLessThan(blocks)
    expect(await device.seekMapped(0)).toBe(2048)
    await device.discard(2047, 1)
    expect(fs.statSync(path).size).toBe(1 << 20)
  })
})

describe('watch', () => {
  /** Writes again and again, until somebody has heard of it. */
  async function writeUntil(device: FileBlockDevice, isHeard: () => boolean): Promise<void> {
    while (!isHeard()) {
      await device.write(0, [device.allocate(4096)])
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  test('hears of writes by others, until it is closed', async () => {
    const device = await create(8192)
    const other = await open({ direct: true })
    let hints = 0
    const watch = device.watch(() => hints++)
    await writeUntil(other, () => hints > 0)
    watch.close()
    let witnessed = 0
    const witness = other.watch(() => witnessed++)
    // What was under way to the first one has come when another hears of a later write.
    await writeUntil(other, () => witnessed > 0)
    const before = { hints, witnessed }
    await writeUntil(other, () => witnessed > before.witnessed)
    witness.close()
    expect(hints).toBe(before.hints)
  })

  test('brings no hints if it cannot begin, and does no harm', async () => {
    const device = await create(8192)
    fs.rmSync(path)
    device.watch(() => undefined).close()
  })
})

test('openOrCreate makes the file once, and opens it ever after', async () => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'sbr-open-or-create-'))
  try {
    const path = join(folder, 'ring')
    const opened = await Promise.all(
      [1, 2, 3].map(() => FileBlockDevice.openOrCreate(path, { sizeBytes: 8192 })),
    )
    for (const device of opened) expect((await device.getInfo()).sizeSectors).toBe(16)
    const again = await FileBlockDevice.openOrCreate(path, { sizeBytes: 4096 })
    expect((await again.getInfo()).sizeSectors).toBe(16)
    expect([...opened, again].filter(({ created }) => created)).toHaveLength(1)
    expect(again.created).toBe(false)
    for (const device of [...opened, again]) await device.disconnect()
    await expect(
      FileBlockDevice.openOrCreate(join(folder, 'missing', 'ring'), { sizeBytes: 8192 }),
    ).rejects.toMatchObject({ code: 'BLOCK_OPEN' })
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
})
