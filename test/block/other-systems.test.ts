import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

// macOS and Windows, as far as they can be had here: the code for them runs with their name of the platform and without
// the flags of `open` that Node does not have there. What their kernels do is not tested.

const { constants } = vi.hoisted(() => ({ constants: {} as Record<string, number> }))
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>()
  return { ...real, default: real, constants: Object.assign(constants, real.constants) }
})

const SYSTEMS = [
  ['macOS', 'darwin', ['O_DIRECT', 'O_NOATIME']],
  ['Windows', 'win32', ['O_DIRECT', 'O_NOATIME', 'O_DSYNC']],
] as const

describe.each(SYSTEMS)('on %s', (_, platform, missing) => {
  const here = process.platform
  const home = process.cwd()
  let folder: string

  beforeEach(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'sbr-system-'))
    // Here a pipe's name on Windows is the name of a file, in this folder.
    process.chdir(folder)
    vi.resetModules()
    Object.defineProperty(process, 'platform', { value: platform })
    for (const name of missing) delete constants[name]
  })
  afterEach(() => {
    process.chdir(home)
    Object.defineProperty(process, 'platform', { value: here })
    Object.assign(constants, fs.constants)
    fs.rmSync(folder, { recursive: true })
  })

  const modules = async () => ({
    ...(await import('../../src/block/file/index.ts')),
    ...(await import('../../src/ring/queue/writer.ts')),
    ...(await import('../../src/ring/queue/reader.ts')),
    ...(await import('../../src/ring/access/lease.ts')),
  })

  test('a ring in a file hands over items, by writes and flushes', async () => {
    const { FileBlockDevice, RingWriter, RingReader } = await modules()
    const path = join(folder, 'jobs.ring')
    await using device = await FileBlockDevice.create(path, { sizeBytes: 1 << 20 })
    expect(device).toMatchObject({ durability: 'flush', direct: false })
    await using writer = await RingWriter.open(device, { createIfMissing: true })
    await writer.pushMany([new Uint8Array(1), new Uint8Array(10_000)])
    await using second = await FileBlockDevice.open(path)
    await using reader = await RingReader.open(second)
    expect((await reader.receive()).item.length).toBe(1)
    expect((await reader.receive()).item.length).toBe(10_000)
  })

  test('a role has one holder, whose name is freed when it is released', async () => {
    const { FileBlockDevice } = await modules()
    const path = join(folder, 'jobs.ring')
    await using device = await FileBlockDevice.create(path, { sizeBytes: 1 << 20 })
    await using second = await FileBlockDevice.open(path)
    for (let round = 0; round < 2; round++) {
      const claim = await device.claim('producer', {
        holder: 'first',
        onRequest: async () => 'yes',
      })
      await expect(second.claim('producer', { holder: 'second' })).rejects.toMatchObject({
        code: 'BLOCK_CLAIMED',
        details: { holder: expect.stringContaining('first') },
      })
      expect(await second.ask('producer', 'hello')).toBe('yes')
      await claim.release()
      expect(await second.holderOf('producer')).toBeUndefined()
    }
  })

  test('what only Linux has is refused by name', async () => {
    const { FileBlockDevice } = await modules()
    const path = join(folder, 'jobs.ring')
    await using device = await FileBlockDevice.create(path, { sizeBytes: 1 << 20 })
    expect(device.capabilities).toMatchObject({ discard: false, seek: false, resize: true })
    const unsupported = { code: 'BLOCK_UNSUPPORTED', message: expect.stringContaining(platform) }
    await expect(FileBlockDevice.open(path, { direct: true })).rejects.toMatchObject(unsupported)
    const dsync = FileBlockDevice.open(path, { durability: 'dsync' })
    if (platform === 'win32') await expect(dsync).rejects.toMatchObject(unsupported)
    else await (await dsync).disconnect()
  })

  test('a command that takes too long is killed', async () => {
    const { runCommand } = await import('../../src/hosts/run-command.ts')
    await expect(runCommand(['sleep', '60'], { limitMs: 50 })).rejects.toThrow(/was killed$/)
    expect(await runCommand(['echo', 'done'], { limitMs: 60_000 })).toBe('done\n')
  })
})
