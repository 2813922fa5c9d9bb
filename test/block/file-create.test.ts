import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { claimCreator } from '../../src/block/creator-claim.ts'
import { createFile } from '../../src/block/file/create.ts'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { isBlockError } from '../../src/errors.ts'

const BYTES = 8192

let directory: string
let path: string

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), 'sbr-create-'))
  path = join(directory, 'ring')
})

afterEach(() => fs.rmSync(directory, { recursive: true }))

async function sizeOf(device: FileBlockDevice): Promise<number> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  return sectorSize * sizeSectors
}

/** Opens an empty file that another program is about to fill, up to where that one is waited for. */
async function waitingToFill(): Promise<{ readonly promise: Promise<FileBlockDevice> }> {
  const claim = vi.spyOn(FileBlockDevice.prototype, 'claim')
  onTestFinished(() => claim.mockRestore())
  const promise = FileBlockDevice.openOrCreate(path, { sizeBytes: BYTES })
  await expect.poll(() => claim.mock.calls.length).toBeGreaterThan(0)
  return { promise }
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code, syscall: 'link' })
}

async function messageOf(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (!isBlockError(error)) throw new Error(`expected a BlockError, found ${String(error)}`)
  return `${error.code}: ${error.message}`
}

describe('where there are no hard links', () => {
  const make = (code = 'EPERM'): Promise<void> =>
    createFile(path, BYTES, 512, { linkFile: () => Promise.reject(systemError(code)) })

  test.each(['EPERM', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP'])(
    '%s: the file is there in full, and nothing else',
    async (code) => {
      await make(code)
      expect(fs.readdirSync(directory)).toEqual(['ring'])
      expect(fs.readFileSync(path)).toEqual(Buffer.alloc(BYTES))
    },
  )

  test('an existing file is left alone, even if it appeared in the meantime', async () => {
    const late = createFile(path, BYTES, 512, {
      linkFile: async () => {
        fs.writeFileSync(path, 'precious')
        throw systemError('EPERM')
      },
    })
    expect(await messageOf(late)).toContain('BLOCK_EXISTS')
    expect(fs.readFileSync(path, 'utf8')).toBe('precious')
    expect(fs.readdirSync(directory)).toEqual(['ring'])
  })

  test('several programs at once make one file', async () => {
    const made = await Promise.allSettled([make(), make(), make()])
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(fs.readFileSync(path)).toEqual(Buffer.alloc(BYTES))
    expect(fs.readdirSync(directory)).toEqual(['ring'])
  })

  test('a program that comes while the name is only reserved fills no file that is replaced then', async () => {
    // The name is taken by one that is about to replace it, and has the creator's role for that.
    fs.writeFileSync(path, '')
    const taken = await FileBlockDevice.open(path)
    const claim = await claimCreator(taken)
    const opened = await waitingToFill()
    const whole = join(directory, 'whole')
    fs.writeFileSync(whole, Buffer.alloc(2 * BYTES))
    fs.renameSync(whole, path)
    await claim.release()
    await taken.disconnect()
    await using device = await opened.promise
    expect(await sizeOf(device)).toBe(2 * BYTES)
    await device.write(0, [new Uint8Array(512).fill(7)], { durable: true })
    expect(fs.readFileSync(path)[0]).toBe(7)
  })

  test('bytes that were put into the file that reserves the name stay', async () => {
    const made = make()
    const filled = (async () => {
      while (!fs.existsSync(path)) await new Promise((resolve) => setImmediate(resolve))
      fs.writeFileSync(path, 'precious')
    })()
    expect(await messageOf(made)).toContain('BLOCK_EXISTS')
    await filled
    expect(fs.readFileSync(path, 'utf8')).toBe('precious')
    expect(fs.readdirSync(directory)).toEqual(['ring'])
  })

  test('any other error is thrown', async () => {
    expect(await messageOf(make('EIO'))).toBe(
      `BLOCK_OPEN: could not create ${path}: i/o error (EIO); the disk, or the connection to it, is failing: see the kernel log`,
    )
    expect(fs.readdirSync(directory)).toEqual([])
  })
})

describe('space on the disk', () => {
  const HUGE = 2 ** 50
  const NO_ROOM = /takes \d+ bytes, but its file system has \d+ free/

  test('is missed before a file is filled', async () => {
    const created = FileBlockDevice.create(path, { sizeBytes: HUGE })
    expect(await messageOf(created)).toMatch(NO_ROOM)
    expect(await messageOf(created)).toContain('BLOCK_OPEN')
    expect(fs.readdirSync(directory)).toEqual([])
    fs.writeFileSync(path, '')
    expect(await messageOf(FileBlockDevice.openOrCreate(path, { sizeBytes: HUGE }))).toMatch(
      NO_ROOM,
    )
    expect(fs.statSync(path).size).toBe(0)
  })

  test('is missed before a file grows', async () => {
    await using device = await FileBlockDevice.create(path, { sizeBytes: BYTES })
    const resized = device.resize(HUGE / 512)
    expect(await messageOf(resized)).toMatch(NO_ROOM)
    expect(await messageOf(resized)).toContain('BLOCK_IO')
    expect(fs.statSync(path).size).toBe(BYTES)
    await device.resize(8)
    expect(fs.statSync(path).size).toBe(4096)
  })

  test('is taken only by the data written to a sparse file', async () => {
    const sizeBytes = 2 ** 40
    await using device = await FileBlockDevice.create(path, { sizeBytes, sparse: true })
    expect(await sizeOf(device)).toBe(sizeBytes)
    await device.write(1000, [new Uint8Array(4096).fill(1)])
    expect(fs.statSync(path).blocks * 512).toBeLessThan(1 << 20)
  })
})

describe('an empty file', () => {
  beforeEach(() => fs.writeFileSync(path, '', { mode: 0o600 }))

  test('is filled in place by several at once, once', async () => {
    const { ino } = fs.statSync(path)
    const opened = await Promise.all(
      [BYTES, 2 * BYTES, 3 * BYTES].map((sizeBytes) =>
        FileBlockDevice.openOrCreate(path, { sizeBytes }),
      ),
    )
    const { size, ino: now } = fs.statSync(path)
    expect([BYTES, 2 * BYTES, 3 * BYTES]).toContain(size)
    expect(now).toBe(ino)
    expect(opened.filter(({ created }) => created)).toHaveLength(1)
    for (const device of opened) {
      expect(await sizeOf(device)).toBe(size)
      await device.disconnect()
    }
  })

  test('keeps its content if another program filled it meanwhile', async () => {
    const filler = await FileBlockDevice.open(path)
    const claim = await claimCreator(filler)
    const opened = await waitingToFill()
    fs.writeFileSync(path, Buffer.alloc(2 * BYTES, 'precious'))
    await claim.release()
    await filler.disconnect()
    await using device = await opened.promise
    expect(await sizeOf(device)).toBe(2 * BYTES)
    expect(fs.readFileSync(path)).toEqual(Buffer.alloc(2 * BYTES, 'precious'))
  })

  test('is empty again when filling it is stopped or fails', async () => {
    const stop = new AbortController()
    const stopped = FileBlockDevice.openOrCreate(path, {
      sizeBytes: 4 << 20,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    })
    await expect(stopped).rejects.toThrow('enough')
    expect(fs.statSync(path).size).toBe(0)
    const wrong = FileBlockDevice.openOrCreate(path, { sizeBytes: 1000 })
    await expect(wrong).rejects.toBeInstanceOf(RangeError)
    expect(fs.statSync(path).size).toBe(0)
  })

  test('is refused by `create`, which says what fills it', async () => {
    const message = await messageOf(FileBlockDevice.create(path, { sizeBytes: BYTES }))
    expect(message).toBe(
      `BLOCK_EXISTS: ${path} exists already: it is empty, and FileBlockDevice.openOrCreate fills it`,
    )
    await using device = await FileBlockDevice.openOrCreate(path, { sizeBytes: BYTES })
    expect(await sizeOf(device)).toBe(BYTES)
  })

  test('is left alone once it holds a byte, even if it holds no whole sector', async () => {
    fs.writeFileSync(path, 'precious')
    await using device = await FileBlockDevice.openOrCreate(path, { sizeBytes: BYTES })
    expect(await sizeOf(device)).toBe(0)
    expect(fs.readFileSync(path, 'utf8')).toBe('precious')
  })
})

describe('a link to nothing', () => {
  test.each([
    ['relative', 'data/real'],
    ['absolute', ''],
    ['of two links', 'second'],
  ])('%s: the error says where it leads, and a file made there is found', async (_, to) => {
    fs.mkdirSync(join(directory, 'data'))
    const real = join(directory, 'data/real')
    fs.symlinkSync(to === '' ? real : to, path)
    fs.symlinkSync('./data/real', join(directory, 'second'))
    for (const attempt of [
      () => FileBlockDevice.open(path),
      () => FileBlockDevice.create(path, { sizeBytes: BYTES }),
      () => FileBlockDevice.openOrCreate(path, { sizeBytes: BYTES }),
    ]) {
      const message = await messageOf(attempt())
      const [, target = ''] = /is a symbolic link to (.*), which does not exist/.exec(message) ?? []
      expect(join(target)).toBe(real)
    }
    expect(fs.readdirSync(join(directory, 'data'))).toEqual([])
    await (await FileBlockDevice.create(real, { sizeBytes: BYTES })).disconnect()
    await using device = await FileBlockDevice.openOrCreate(path, { sizeBytes: 512 })
    expect(await sizeOf(device)).toBe(BYTES)
  })

  test('that leads to itself is reported', async () => {
    fs.symlinkSync('ring', path)
    for (const attempt of [
      () => FileBlockDevice.open(path),
      () => FileBlockDevice.openOrCreate(path, { sizeBytes: BYTES }),
    ]) {
      expect(await messageOf(attempt())).toContain('is a symbolic link to itself: remove it')
    }
  })
})

test('an obstacle to a new file is named', async () => {
  const told = (at: string): Promise<string> =>
    messageOf(FileBlockDevice.create(at, { sizeBytes: BYTES }))
  const missing = join(directory, 'missing')
  expect(await told(join(missing, 'ring'))).toContain(
    `the directory ${missing} does not exist; make it first`,
  )
  expect(await told(`${path}/`)).toContain('its name ends with /')
  expect(await told(join(directory, 'x'.repeat(256)))).toContain('choose a shorter one')
  expect(fs.readdirSync(directory)).toEqual([])
})

test('a name may be as long as a name can be', async () => {
  const name = 'é'.repeat(127)
  await (await FileBlockDevice.create(join(directory, name), { sizeBytes: BYTES })).disconnect()
  expect(fs.readdirSync(directory)).toEqual([name])
})

describe('the permissions of a new file', () => {
  const bits = (name: string): string =>
    (fs.statSync(join(directory, name)).mode & 0o7777).toString(8)

  /** Creates it under a umask, and answers its permissions, and those that its temporary file had. */
  async function modes(fileMode: number | undefined, umask: number): Promise<readonly string[]> {
    const before = process.umask(umask)
    onTestFinished(() => void process.umask(before))
    const meanwhile = new Set<string>()
    const device = await FileBlockDevice.create(path, {
      sizeBytes: BYTES,
      ...(fileMode !== undefined && { fileMode }),
      onProgress: () => {
        for (const name of fs.readdirSync(directory)) meanwhile.add(bits(name))
      },
    })
    await device.disconnect()
    return [bits('ring'), ...meanwhile]
  }

  test.each([
    { fileMode: undefined, umask: 0, becomes: '600' },
    { fileMode: 0o660, umask: 0, becomes: '660' },
    { fileMode: 0o666, umask: 0o027, becomes: '640' },
    { fileMode: 0o644, umask: 0o077, becomes: '600' },
  ])(
    'are $fileMode less the umask $umask, from the start',
    async ({ fileMode, umask, becomes }) => {
      expect(await modes(fileMode, umask)).toEqual([becomes, becomes])
    },
  )

  test('are the same without hard links, and for the file that reserves the name', async () => {
    const before = process.umask(0)
    onTestFinished(() => void process.umask(before))
    const seen = new Set<string>()
    let done = false
    const linkFile = (): Promise<void> => Promise.reject(systemError('EPERM'))
    const made = createFile(path, BYTES, 512, { linkFile }).finally(() => {
      done = true
    })
    while (!done) {
      if (fs.existsSync(path)) seen.add(bits('ring'))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await made
    expect([...seen]).toEqual(['600'])
  })

  test('leave those of an existing file alone', async () => {
    fs.writeFileSync(path, '', { mode: 0o640 })
    const device = await FileBlockDevice.openOrCreate(path, { sizeBytes: BYTES, fileMode: 0o666 })
    await device.disconnect()
    expect([bits('ring'), fs.statSync(path).size]).toEqual(['640', BYTES])
  })

  test.each([0, 0o400, 0o066, 0o700, 0o777, 0o1600, -1, Number.NaN])(
    'cannot be %o: no file is made',
    async (fileMode) => {
      const options = { sizeBytes: BYTES, fileMode }
      await expect(FileBlockDevice.create(path, options)).rejects.toThrow(RangeError)
      await expect(FileBlockDevice.openOrCreate(path, options)).rejects.toThrow(RangeError)
      expect(fs.readdirSync(directory)).toEqual([])
    },
  )
})
