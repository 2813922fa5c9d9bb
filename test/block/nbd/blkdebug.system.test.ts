import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { describe, expect, type TestContext, test } from 'vitest'
import type { NbdBlockDevice, NbdBlockDeviceOptions } from '../../../src/block/nbd/index.ts'
import { HINTS, KINDS, REQUESTS } from './requests.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()

/** An image of 1 MiB, full of data, behind qemu's driver blkdebug. */
async function blkdebug(
  context: TestContext,
  rules: string,
  options: NbdBlockDeviceOptions = {},
): Promise<NbdBlockDevice> {
  const file = scene.file('disk')
  writeFileSync(file, new Uint8Array(1 << 20).fill(1))
  const image = `driver=blkdebug,image.driver=file,image.filename=${file},${rules}`
  const server = await scene.qemu(context, '--discard=unmap', '--image-opts', image)
  return scene.connect(server, options, 'exp')
}

/** Rules that fail each request of a kind; `more` says when only some of them. */
function inject(iotype: string, errno: number, more = ''): string {
  const rule = 'inject-error.0'
  return `${rule}.event=none,${rule}.iotype=${iotype},${rule}.errno=${errno}${more}`
}

const ONCE = ',inject-error.0.once=on'

function failure(code: string, cause: string): object {
  return expect.objectContaining({
    name: 'BlockError',
    code,
    cause: expect.objectContaining({ code: cause }),
  })
}

describe.each(KINDS.filter((kind) => !HINTS.includes(kind)))('%s', (kind) => {
  const request = REQUESTS[kind]
  test('fails once', async (context) => {
    const device = await blkdebug(context, inject(kind, 5, ONCE))
    if (kind === 'flush') await device.write(0, bytes(512))
    await expect(request(device)).rejects.toEqual(failure('BLOCK_IO', 'EIO'))
    // A server that could not flush may have forgotten what it should have: flushes fail for ever.
    if (kind === 'flush') await expect(device.flush()).rejects.toEqual(failure('BLOCK_IO', 'EIO'))
    else await request(device)
  })

  test('fails always, and nothing else does', async (context) => {
    const device = await blkdebug(context, inject(kind, 5))
    if (kind === 'flush') await device.write(0, bytes(512))
    for (const other of KINDS) {
      const run = REQUESTS[other]
      if (other === kind) {
        await expect(run(device)).rejects.toEqual(failure('BLOCK_IO', 'EIO'))
        await expect(run(device)).rejects.toEqual(failure('BLOCK_IO', 'EIO'))
      } else {
        await run(device)
      }
    }
  })
})

test('zeroes that the server does not write itself are written', async (context) => {
  const device = await blkdebug(context, inject('write-zeroes', 5))
  await device.writeZeroes(8, 8, { durable: true })
  const found = bytes(3 * 4096)
  await device.read(0, found)
  expect(Buffer.concat(found)).toEqual(
    Buffer.concat([Buffer.alloc(4096, 1), Buffer.alloc(4096), Buffer.alloc(4096, 1)]),
  )
})

test('where holes are that the server does not tell of, there may be data', async (context) => {
  const device = await blkdebug(context, inject('block-status', 5))
  expect(await device.seekMapped(7)).toBe(7)
  expect(await device.seekUnmapped(7)).toBe((1 << 20) / 512)
})

test.for([
  [1, 'EPERM'],
  [12, 'ENOMEM'],
  [22, 'EINVAL'],
  [28, 'ENOSPC'],
  // NBD has no number for these: ETIMEDOUT is told as EINVAL, a full quota as a full disk.
  [110, 'EINVAL'],
  [122, 'ENOSPC'],
] as const)('a disk that fails with error %i', async ([errno, name], context) => {
  const device = await blkdebug(context, inject('write', errno, ONCE))
  await expect(device.write(0, bytes(512))).rejects.toEqual(failure('BLOCK_IO', name))
  await device.write(0, bytes(512))
})

test('storage that has shut its host out', async (context) => {
  const device = await blkdebug(context, inject('write', 108))
  await expect(device.write(0, bytes(512))).rejects.toEqual(failure('BLOCK_FENCED', 'ESHUTDOWN'))
  await device.read(0, bytes(512))
})

test('one sector cannot be written', async (context) => {
  const device = await blkdebug(context, inject('write', 5, ',inject-error.0.sector=8'))
  await device.write(0, bytes(4096, 2))
  await expect(device.write(8, bytes(4096, 2))).rejects.toEqual(failure('BLOCK_IO', 'EIO'))
  await expect(device.write(0, bytes(8192, 2))).rejects.toEqual(failure('BLOCK_IO', 'EIO'))
  await device.read(8, bytes(4096))
})

test('one sector cannot be read', async (context) => {
  const device = await blkdebug(context, inject('read', 5, ',inject-error.0.sector=8'))
  await device.read(0, bytes(4096))
  await expect(device.read(8, bytes(4096))).rejects.toEqual(failure('BLOCK_IO', 'EIO'))
  await device.write(8, bytes(4096, 2), { durable: true })
})

test.for(['auto', 'flush'] as const)(
  'durability %s: a durable write whose flush fails is of unknown fate',
  async (durability, context) => {
    const device = await blkdebug(context, inject('flush', 5), { durability })
    // To qemu there is nothing to flush before the first write has ended, not even for FUA.
    await device.write(0, bytes(512))
    await expect(device.write(0, bytes(512), { durable: true })).rejects.toMatchObject({
      code: 'BLOCK_IO',
      message: expect.stringContaining('the content of the device is unknown now'),
    })
  },
)

test('a read that fails leaves the connection as it is', async (context) => {
  const device = await blkdebug(context, inject('read', 5, ONCE))
  const write = device.write(8, bytes(512))
  await expect(device.read(0, bytes(4096))).rejects.toEqual(failure('BLOCK_IO', 'EIO'))
  // A lost connection would make this flush fail for ever.
  await write
  await device.flush()
})

test('an error on the way to the image’s own tables', async (context) => {
  const image = scene.file('disk.qcow2')
  spawnSync('qemu-img', ['create', '-f', 'qcow2', image, '1M'])
  const rule = 'file.inject-error.0'
  const server = await scene.qemu(
    context,
    '--image-opts',
    `driver=qcow2,file.driver=blkdebug,file.image.driver=file,file.image.filename=${image},` +
      `${rule}.event=cluster_alloc,${rule}.errno=28,${rule}.once=on`,
  )
  const device = await scene.connect(server, {}, 'exp')
  await expect(device.write(0, bytes(4096, 3))).rejects.toEqual(failure('BLOCK_IO', 'ENOSPC'))
  await device.write(0, bytes(4096, 4), { durable: true })
  const found = new Uint8Array(4096)
  await device.read(0, [found])
  expect(found.every((byte) => byte === 4)).toBe(true)
})

test('only blocks of 4096 bytes to 64 KiB', async (context) => {
  const limits = 'align=4096,max-transfer=65536,max-write-zero=65536,max-discard=65536'
  const device = await blkdebug(context, limits)
  expect((await device.getInfo()).sectorSize).toBe(4096)
  await device.write(0, bytes(1 << 20, 5))
  const found = new Uint8Array(1 << 20)
  await device.read(0, [found])
  expect(found.every((byte) => byte === 5)).toBe(true)
  await device.writeZeroes(0, 128)
  await device.discard(128, 128)
  await device.read(0, [found])
  expect(found.subarray(0, 1 << 19).every((byte) => byte === 0)).toBe(true)
})
