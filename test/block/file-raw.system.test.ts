import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, type TestContext, test } from 'vitest'
import { FileBlockDevice, type FileBlockDeviceOptions } from '../../src/block/file/index.ts'
import { openFile } from '../../src/block/file/open.ts'
import { PartitionBlockDevice } from '../../src/block/wrap/partition.ts'
import { deviceConformanceCases } from '../../src/conformance/index.ts'
import { startChild } from '../helpers/child.ts'
import { needs } from '../helpers/interop.ts'
import { addPartition, attachLoop, type LoopOptions, loopProblem } from '../helpers/loop.ts'

let directory: string
let file: string
let cleanups: (() => unknown)[]

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'sbr-raw-'))
  file = join(directory, 'disk')
  fs.writeFileSync(file, new Uint8Array(4 << 20))
  cleanups = [() => fs.rmSync(directory, { recursive: true })]
})

afterEach(async () => {
  const failed: unknown[] = []
  // All of them, because a loop device or a mount that stays would outlive the tests.
  for (const cleanup of cleanups.reverse()) {
    await Promise.resolve()
      .then(cleanup)
      .catch((error: unknown) => failed.push(error))
  }
  expect(failed).toEqual([])
})

/** A raw device over `file`, for this test. */
function loop(context: TestContext, options?: LoopOptions): string {
  needs(context, loopProblem())
  const device = attachLoop(file, options)
  cleanups.push(() => device[Symbol.dispose]())
  return device.path
}

async function open(path: string, options?: FileBlockDeviceOptions): Promise<FileBlockDevice> {
  const device = await FileBlockDevice.open(path, options)
  cleanups.push(() => device.disconnect())
  return device
}

let conformanceDevice: string

for (const { name, run } of deviceConformanceCases({
  open: () => FileBlockDevice.open(conformanceDevice),
  reopen: () => FileBlockDevice.open(conformanceDevice),
  openSecond: () => FileBlockDevice.open(conformanceDevice),
  openReadOnly: () => FileBlockDevice.open(conformanceDevice, { mode: 'read-only' }),
})) {
  test(`conformance: ${name}`, async (context) => {
    conformanceDevice = loop(context)
    await run()
  })
}
test('its size, sectors and means of durability are what sysfs says', async (context) => {
  const path = loop(context)
  const device = await open(path)
  expect(await device.getInfo()).toEqual({ readWrite: true, sectorSize: 512, sizeSectors: 8192 })
  expect(device.direct).toBe(true)
  expect(device.capabilities).toMatchObject({ resize: false, watch: false, seek: false })
  const queue = `/sys/block/${path.replace('/dev/', '')}/queue`
  const says = (fact: string): string => fs.readFileSync(join(queue, fact), 'utf8').trim()
  const cheap = says('fua') === '1' || says('write_cache') === 'write through'
  expect(device.durability).toBe(cheap ? 'dsync' : 'flush')
  expect((await open(path, { durability: 'dsync' })).durability).toBe('dsync')
})

test('sectors are a multiple of the logical blocks', async (context) => {
  const path = loop(context, { sectorSize: 4096 })
  expect(await (await open(path)).getInfo()).toMatchObject({ sectorSize: 4096, sizeSectors: 1024 })
  const large = await open(path, { sectorSize: 65536 })
  expect(await large.getInfo()).toMatchObject({ sectorSize: 65536, sizeSectors: 64 })
  await expect(open(path, { sectorSize: 512 })).rejects.toBeInstanceOf(RangeError)
  const bytes = Buffer.alloc(65536 * 2 + 1, 'unaligned').subarray(1)
  await large.write(3, [bytes], { durable: true })
  const found = Buffer.alloc(65536 * 2)
  await large.read(3, [found])
  expect(found.equals(bytes)).toBe(true)
  await large.flush()
  expect(
    fs
      .readFileSync(file)
      .subarray(3 * 65536, 5 * 65536)
      .equals(bytes),
  ).toBe(true)
})

test('direct I/O in smaller units than the disk has is BLOCK_IO, with advice', async (context) => {
  const path = loop(context)
  const device = await open(path)
  // As happens to a multipath device that is loaded anew.
  execFileSync('losetup', ['--sector-size', '4096', path], { stdio: 'pipe' })
  await expect(device.read(1, [device.allocate(512)])).rejects.toMatchObject({
    code: 'BLOCK_IO',
    message: expect.stringMatching(/sectors 1 to 2 .*EINVAL.*sectorSize/),
    details: { device: path, sector: 1, sectors: 1 },
    cause: { code: 'EINVAL' },
  })
})

test('a read-only device opens for reading only', async (context) => {
  const path = loop(context, { readOnly: true })
  const device = await open(path)
  expect(await device.getInfo()).toMatchObject({ readWrite: false })
  expect(device.capabilities.discard).toBe(false)
  await device.read(0, [new Uint8Array(512)])
  await expect(device.write(0, [new Uint8Array(512)])).rejects.toMatchObject({
    code: 'BLOCK_READ_ONLY',
  })
  await expect(open(path, { mode: 'read-write' })).rejects.toMatchObject({
    code: 'BLOCK_READ_ONLY',
  })
})

test('exclusive is refused while another process has the device', async (context) => {
  const path = loop(context)
  const holder = startChild('claim', path, {
    role: 'producer',
    holder: 'x',
    open: { exclusive: true },
  })
  cleanups.push(() => holder.kill())
  expect(await holder.said()).toEqual({ claimed: true })
  const refused = open(path, { exclusive: true })
  await expect(refused).rejects.toMatchObject({ code: 'BLOCK_CLAIMED', details: { device: path } })
  await expect(open(path, { exclusive: true, mode: 'read-only' })).rejects.toMatchObject({
    code: 'BLOCK_CLAIMED',
  })
  await open(path)
  await holder.kill()
  const mine = await open(path, { exclusive: true })
  await mine.write(0, [new Uint8Array(512)], { durable: true })
  await mine.disconnect()
  await open(path, { exclusive: true })
})

test('exclusive is refused while a file system is mounted', async (context) => {
  const path = loop(context)
  const mkfs = '/usr/sbin/mkfs.ext2'
  needs(context, fs.existsSync(mkfs) ? undefined : `${mkfs} (Debian package e2fsprogs) is missing`)
  execFileSync(mkfs, ['-q', path])
  const mount = join(directory, 'mounted')
  fs.mkdirSync(mount)
  execFileSync('mount', [path, mount])
  cleanups.push(() => execFileSync('umount', [mount]))
  await expect(open(path, { exclusive: true })).rejects.toMatchObject({
    code: 'BLOCK_CLAIMED',
    details: { holder: expect.stringContaining('file system') },
  })
})

test('a role is the same under every name of the device', async (context) => {
  const path = loop(context)
  const link = join(directory, 'by-name')
  fs.symlinkSync(path, link)
  const first = await open(path)
  const second = await open(link)
  await first.claim('producer', { holder: 'the first' })
  await expect(second.claim('producer', { holder: 'the second' })).rejects.toMatchObject({
    code: 'BLOCK_CLAIMED',
    details: { device: link, holder: 'the first' },
  })
})

test('a device that has grown is larger when asked', async (context) => {
  const path = loop(context)
  const device = await open(path)
  fs.truncateSync(file, 8 << 20)
  execFileSync('losetup', ['--set-capacity', path])
  expect(await device.getInfo()).toMatchObject({ sizeSectors: 16384 })
  await device.write(16383, [new Uint8Array(512).fill(7)])
})

test('a device that has shrunk: reads and writes beyond its end fail', async (context) => {
  const path = loop(context)
  const device = await open(path)
  fs.truncateSync(file, 1 << 20)
  execFileSync('losetup', ['--set-capacity', path])
  await expect(device.read(4096, [new Uint8Array(512)])).rejects.toMatchObject({
    code: 'BLOCK_SHORT',
  })
  await expect(device.write(4096, [new Uint8Array(512)])).rejects.toMatchObject({
    code: 'BLOCK_IO',
    cause: { code: 'ENOSPC' },
  })
})

test('discard frees space, and the size stays', async (context) => {
  const device = await open(loop(context))
  needs(context, device.capabilities.discard ? undefined : "this kernel's loop cannot discard")
  const before = fs.statSync(file).blocks
  await device.discard(0, 4096)
  expect(fs.statSync(file).blocks).toBeLessThan(before)
  expect(await device.getInfo()).toMatchObject({ sizeSectors: 8192 })
})

test('a partition is a device of its own', async (context) => {
  const path = addPartition(loop(context), 2048, 4096)
  cleanups.push(() => execFileSync('delpart', [path.slice(0, -2), '1']))
  const device = await open(path)
  expect(await device.getInfo()).toEqual({ readWrite: true, sectorSize: 512, sizeSectors: 4096 })
  await device.write(0, [new Uint8Array(512).fill(7)], { durable: true })
  expect(fs.readFileSync(file).indexOf(7)).toBe(2048 * 512)
})

test('direct: auto works where the system refuses direct I/O', async (context) => {
  const path = loop(context)
  const refusing = async (name: string, flags: number): Promise<number> => {
    if (flags & fs.constants.O_DIRECT) throw Object.assign(new Error('no'), { code: 'EINVAL' })
    return fs.openSync(name, flags)
  }
  const opened = await openFile(path, {}, refusing)
  fs.closeSync(opened.fd)
  expect(opened.direct).toBe(false)
  await expect(openFile(path, { direct: true }, refusing)).rejects.toMatchObject({
    code: 'BLOCK_UNSUPPORTED',
  })
})

test('a full disk is reported as such', async (context) => {
  needs(context, loopProblem())
  const mount = join(directory, 'small')
  fs.mkdirSync(mount)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', mount])
  cleanups.push(() => execFileSync('umount', [mount]))
  const path = join(mount, 'ring.img')
  await expect(FileBlockDevice.create(path, { sizeBytes: 4 << 20 })).rejects.toMatchObject({
    code: 'BLOCK_OPEN',
    message: expect.stringMatching(
      /takes 4194304 bytes, but its file system has \d+ free; free some space/,
    ),
    cause: { code: 'ENOSPC' },
  })
  expect(fs.readdirSync(mount)).toEqual([])
  const device = await FileBlockDevice.create(path, { sizeBytes: 8192 })
  cleanups.push(() => device.disconnect())
  await expect(device.resize(8192)).rejects.toMatchObject({ code: 'BLOCK_IO' })
  expect(await device.getInfo()).toMatchObject({ sizeSectors: 16 })
  fs.truncateSync(path, 4 << 20)
  await device.getInfo()
  await expect(device.write(0, [new Uint8Array(1 << 20)])).rejects.toMatchObject({
    code: 'BLOCK_IO',
    message: expect.stringMatching(/write sectors 0 to 2048 .*ring\.img.*ENOSPC.*free some space/),
    details: { device: path, sector: 0, sectors: 2048 },
    cause: { code: 'ENOSPC' },
  })
})

test('a role of a loop device is one of its file, and of a loop device on that', async (context) => {
  const path = loop(context)
  const above = attachLoop(path)
  cleanups.push(() => above[Symbol.dispose]())
  for (const first of [file, path, above.path]) {
    const claim = await (await open(first)).claim('producer', { holder: 'the first' })
    for (const second of [file, path, above.path]) {
      const refused = (await open(second)).claim('producer', { holder: 'the second' })
      await expect(refused, `${first}, then ${second}`).rejects.toMatchObject({
        code: 'BLOCK_CLAIMED',
      })
    }
    await claim.release()
  }
})

test('a role of a partition is one of that part of its disk, and of the file of that, whatever the sectors', async (context) => {
  const path = addPartition(loop(context), 2048, 4096)
  const disk = path.slice(0, -2)
  cleanups.push(() => execFileSync('delpart', [disk, '1']))
  const partOf = async (whole: string, sectorSize: number): Promise<PartitionBlockDevice> => {
    const below = await open(whole, { sectorSize })
    const [sectorStart, sectors] = [(2048 * 512) / sectorSize, (4096 * 512) / sectorSize]
    return PartitionBlockDevice.open(below, { sectorStart, sectors })
  }
  const all = [
    await open(path),
    await open(path, { sectorSize: 4096 }),
    await partOf(disk, 512),
    await partOf(disk, 4096),
    await partOf(file, 512),
    await partOf(file, 4096),
  ]
  for (const first of all) {
    const claim = await first.claim('producer', { holder: 'the first' })
    for (const second of all) {
      const refused = second.claim('producer', { holder: 'the second' })
      await expect(refused, `${first.name}, then ${second.name}`).rejects.toMatchObject({
        code: 'BLOCK_CLAIMED',
      })
    }
    await claim.release()
  }
})
