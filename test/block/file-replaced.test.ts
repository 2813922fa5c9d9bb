import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { PathWatch } from '../../src/block/file/path-watch.ts'
import type { BlockError } from '../../src/errors.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'

const REPLACED = { code: 'BLOCK_REPLACED' }

/** A file in a folder of its own, which is gone when the tests are over. */
function newFile(): string {
  const folder = fs.mkdtempSync(join(tmpdir(), 'sbr-replaced-'))
  folders.push(folder)
  const path = join(folder, 'ring.img')
  fs.writeFileSync(path, new Uint8Array(1 << 20))
  return path
}

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) fs.rmSync(folder, { recursive: true })
})

let directory: string
let path: string

beforeEach(() => {
  path = newFile()
  directory = dirname(path)
})

/** What one look finds after something was done to the file; `watched` is the name it was opened by. */
async function lookAfter(
  change: () => void,
  { watched = path, named = true } = {},
): Promise<string | undefined> {
  const fd = fs.openSync(watched, 'r')
  let found: string | undefined
  const watch = new PathWatch(watched, { fd, named, writable: false }, ({ code, message }) => {
    found = `${code}: ${message}`
  })
  try {
    change()
    await watch.check()
    return found
  } finally {
    watch.close()
    fs.closeSync(fd)
  }
}

test.for([
  ['written to', true, 1000],
  ['only read', false, 5000],
] as const)('a file that is %s is looked at by itself', async ([, writable, ms]) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const fd = fs.openSync(path, 'r')
  const watch = (): Promise<BlockError> =>
    new Promise((resolve) => {
      new PathWatch(path, { fd, named: true, writable }, resolve)
    })
  try {
    const found = watch()
    // Those of about the same time are looked at together.
    vi.advanceTimersByTime(90)
    const foundWithIt = watch()
    fs.rmSync(path)
    vi.advanceTimersByTime(ms - 91)
    expect(vi.getTimerCount()).toBe(2)
    vi.advanceTimersByTime(1)
    expect(vi.getTimerCount()).toBe(0)
    expect(await found).toMatchObject(REPLACED)
    expect(await foundWithIt).toMatchObject(REPLACED)
  } finally {
    vi.useRealTimers()
    fs.closeSync(fd)
  }
})

describe('a look', () => {
  test('finds a file that was removed', async () => {
    expect(await lookAfter(() => fs.rmSync(path))).toMatch(/BLOCK_REPLACED: .* was removed/)
  })

  test('finds a file that was removed and made again, or renamed over', async () => {
    const again = (): void => {
      fs.renameSync(path, `${path}.old`)
      fs.writeFileSync(path, 'other')
    }
    expect(await lookAfter(again)).toMatch(/BLOCK_REPLACED: .* was replaced/)
    const over = (): void => {
      fs.linkSync(path, `${path}.kept`)
      fs.writeFileSync(`${path}.new`, 'other')
      fs.renameSync(`${path}.new`, path)
    }
    expect(await lookAfter(over)).toMatch(/BLOCK_REPLACED: .* was replaced/)
  })

  test('finds a link that leads elsewhere', async () => {
    const link = `${path}.link`
    fs.symlinkSync(path, link)
    const elsewhere = (): void => {
      fs.writeFileSync(`${path}.other`, 'other')
      fs.rmSync(link)
      fs.symlinkSync(`${path}.other`, link)
    }
    expect(await lookAfter(elsewhere, { watched: link })).toContain('BLOCK_REPLACED')
  })

  test('finds nothing where nothing changed, or where the file still has a name', async () => {
    expect(await lookAfter(() => undefined)).toBeUndefined()
    expect(await lookAfter(() => fs.writeFileSync(path, 'other content'))).toBeUndefined()
    expect(await lookAfter(() => fs.renameSync(path, `${path}.moved`))).toBeUndefined()
    fs.renameSync(`${path}.moved`, path)
    const linkedElsewhere = (): void => {
      fs.linkSync(path, `${path}.link`)
      fs.rmSync(path)
    }
    expect(await lookAfter(linkedElsewhere)).toBeUndefined()
  })

  test('finds nothing where the path cannot be followed', async () => {
    fs.mkdirSync(join(directory, 'folder'))
    const inside = join(directory, 'folder', 'ring.img')
    fs.linkSync(path, inside)
    const movedFolder = (): void => fs.renameSync(join(directory, 'folder'), `${directory}/moved`)
    expect(await lookAfter(movedFolder, { watched: inside })).toBeUndefined()
    const noFolder = (): void => fs.writeFileSync(join(directory, 'folder'), '')
    fs.renameSync(`${directory}/moved`, join(directory, 'folder'))
    const fileForFolder = (): void => {
      movedFolder()
      noFolder()
    }
    expect(await lookAfter(fileForFolder, { watched: inside })).toBeUndefined()
    const circle = (): void => {
      fs.renameSync(path, `${path}.kept`)
      fs.symlinkSync(path, path)
    }
    expect(await lookAfter(circle)).toBeUndefined()
  })

  test('does not take a descriptor for a name, and knows a file that never had one', async () => {
    const fd = fs.openSync(path, 'r')
    const reuse = (): void => {
      fs.closeSync(fd)
      expect(fs.openSync('/dev/null', 'r')).toBe(fd)
    }
    const watched = `/proc/self/fd/${fd}`
    if (process.platform === 'linux') expect(await lookAfter(reuse, { watched })).toBeUndefined()
    fs.closeSync(fd)
    expect(await lookAfter(() => fs.rmSync(path), { named: false })).toBeUndefined()
  })

  test('goes by the path as it was when the file was opened', async () => {
    const before = process.cwd()
    fs.mkdirSync(join(directory, 'other'))
    fs.writeFileSync(join(directory, 'other', 'ring.img'), 'other')
    process.chdir(directory)
    try {
      const change = (): void => process.chdir('other')
      expect(await lookAfter(change, { watched: 'ring.img' })).toBeUndefined()
    } finally {
      process.chdir(before)
    }
  })
})

/** Resolves when the device has found out; asks nothing of it meanwhile. */
function foundOut(device: BlockDevice): Promise<void> {
  return new Promise((resolve) => {
    const watch = device.watch(() => {
      device.getInfo().catch(() => {
        watch.close()
        resolve()
      })
    })
  })
}

describe.concurrent('an open file that was removed', () => {
  // Each waits a second to be told: together that is one.

  test('fails every request, even if it was idle until then', async ({ expect }) => {
    const path = newFile()
    await using device = await FileBlockDevice.open(path)
    const found = foundOut(device)
    fs.rmSync(path)
    await found
    const sector = new Uint8Array(512)
    const requests: (() => Promise<unknown>)[] = [
      () => device.getInfo(),
      () => device.read(0, [sector]),
      () => device.write(0, [sector]),
      () => device.write(0, [sector], { durable: true }),
      () => device.writeZeroes(0, 8),
      () => device.flush(),
      () => device.resize(4096),
      () => device.claim('producer', { holder: 'test' }),
      () => device.ask('producer', 'hello'),
    ]
    for (const request of requests) {
      await expect(request(), String(request)).rejects.toMatchObject({
        ...REPLACED,
        details: { device: path },
      })
    }
  })

  test('releases its roles when it is disconnected', async () => {
    const path = newFile()
    const device = await FileBlockDevice.open(path)
    await device.claim('producer', { holder: 'test' })
    const found = foundOut(device)
    fs.linkSync(path, `${path}.kept`)
    fs.writeFileSync(`${path}.new`, new Uint8Array(1 << 20))
    fs.renameSync(`${path}.new`, path)
    await found
    await device.disconnect()
    await using kept = await FileBlockDevice.open(`${path}.kept`)
    const claim = await kept.claim('producer', { holder: 'the next' })
    await claim.release()
  })

  test('fails a reader that waits for an item', async ({ expect }) => {
    const path = newFile()
    await using device = await FileBlockDevice.open(path)
    await Producer.create(device)
    await using reader = await RingReader.open(device, { maxPollMs: 3_600_000 })
    const waiting = expect(reader.receive()).rejects.toMatchObject(REPLACED)
    fs.rmSync(path)
    await waiting
  })

  test('fails a writer that waits for room', async ({ expect }) => {
    const path = newFile()
    await using device = await FileBlockDevice.open(path)
    await using writer = await RingWriter.open(device, {
      createIfMissing: true,
      maxPollMs: 3_600_000,
    })
    const item = new Uint8Array(100_000)
    while ((await writer.tryPush(item)).status === 'ok');
    const waiting = expect(writer.push(item)).rejects.toMatchObject(REPLACED)
    fs.rmSync(path)
    await waiting
  })

  test('fails a writer that pushes again and again', async ({ expect }) => {
    const path = newFile()
    await using device = await FileBlockDevice.open(path)
    const options = { createIfMissing: { onFull: 'overwrite' } } as const
    await using writer = await RingWriter.open(device, options)
    fs.rmSync(path)
    const pushing = async (): Promise<never> => {
      for (;;) await writer.push(new Uint8Array(100))
    }
    await expect(pushing()).rejects.toMatchObject(REPLACED)
    await expect(writer.push(new Uint8Array(100))).rejects.toMatchObject(REPLACED)
  })
})
