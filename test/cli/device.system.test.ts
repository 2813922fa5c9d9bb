import { execFile } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { attachLoop, loopProblem } from '../helpers/loop.ts'
import { serverProblem, startNbdkit } from '../helpers/nbd-servers.ts'
import {
  jsonError,
  mainPath,
  ok,
  sbr,
  start,
  type TemporaryFolder,
  temporaryFolder,
} from './cli.ts'
import { look, makeRing } from './rings.ts'

const MIB = 1 << 20

function image(folder: TemporaryFolder, name: string, content: Uint8Array): string {
  const path = folder.file(name)
  writeFileSync(path, content)
  return path
}

/** A file that is one hole. */
function hole(folder: TemporaryFolder, name: string, bytes: number): string {
  const path = image(folder, name, Buffer.alloc(0))
  truncateSync(path, bytes)
  return path
}

/** Puts a byte somewhere. */
function poke(path: string, offset: number, byte: number): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, Uint8Array.of(byte), 0, 1, offset)
  closeSync(fd)
}

function firstByte(path: string): number | undefined {
  const fd = openSync(path, 'r')
  const byte = new Uint8Array(1)
  readSync(fd, byte, 0, 1, 0)
  closeSync(fd)
  return byte[0]
}

/** Bytes without any pattern that a copy in the wrong order would keep. */
function content(bytes: number): Buffer {
  return Buffer.from(
    Array.from({ length: bytes }, (_, index) => (index * 31 + (index >> 8)) & 0xff),
  )
}

async function json(...args: string[]): Promise<Record<string, unknown>> {
  return JSON.parse((await ok(['device', ...args, '--json'])).toString())
}

/** Targets that hold something, each made anew. */
const HOLDING: readonly (readonly [string, (path: string) => Promise<unknown>, string])[] = [
  ['a ring', (path) => ok(['produce', path], 'one\n'), 'a ring with 3 bytes of items'],
  ['an empty ring', async () => undefined, 'a ring with no items'],
  [
    'a damaged ring',
    async (path) =>
      [12288, 16384, 4 * MIB - 4096].forEach((at) => {
        poke(path, at + 20, 0xff)
      }),
    'a ring that cannot be read',
  ],
  ['unknown data', async (path) => writeFileSync(path, Buffer.alloc(4 * MIB, 'x')), 'unknown data'],
  [
    'a byte in the middle',
    async (path) => {
      writeFileSync(path, Buffer.alloc(4 * MIB))
      poke(path, 2_500_001, 1)
    },
    'the first byte that is not zero is at 2,500,001',
  ],
]

async function targetHolding(
  folder: TemporaryFolder,
  put: (path: string) => Promise<unknown>,
): Promise<string> {
  const path = folder.file('target')
  await makeRing(path, '4MiB')
  await put(path)
  return path
}

/** What a file holds when nobody has written to it for longer than a consumer takes to write down where it is. */
async function settled(path: string): Promise<Buffer> {
  for (let before = readFileSync(path); ; ) {
    await sleep(500)
    const now = readFileSync(path)
    if (now.equals(before)) return now
    before = now
  }
}

describe('info', () => {
  test('tells what a file is and holds, and changes nothing', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await makeRing(path, '64KiB')
    await ok(['produce', path], 'one\n')
    const before = readFileSync(path)
    expect(await json('info', path)).toEqual({
      device: path,
      kind: 'file',
      sizeBytes: 65536,
      sectorSize: 512,
      sizeSectors: 128,
      unusedBytes: 0,
      readWrite: true,
      direct: false,
      durability: process.platform === 'linux' ? 'dsync' : 'flush',
      capabilities: {
        discard: expect.any(Boolean),
        resize: true,
        seek: expect.any(Boolean),
        claim: true,
        watch: true,
        singleSectorBuffers: false,
      },
      holds: { kind: 'ring', format: 2, capacityBytes: 16384, usedBytes: 4096, waitingBytes: 3 },
    })
    expect(await json('info', path, '--sector-size', '4096')).toMatchObject({ sizeSectors: 16 })
    const text = (await ok(['device', 'info', path])).toString()
    expect(text).toContain('65,536 bytes: 128 sectors of 512 bytes\n')
    expect(text).toContain('a ring with 3 bytes of items')
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('tells what else a device may hold', async () => {
    using folder = temporaryFolder()
    const blank = image(folder, 'blank', Buffer.alloc(1000))
    expect(await json('info', blank)).toMatchObject({
      sizeSectors: 1,
      unusedBytes: 488,
      holds: { kind: 'blank' },
    })
    expect((await ok(['device', 'info', blank])).toString()).toContain('488 more at the end')
    const empty = image(folder, 'empty', Buffer.alloc(0))
    expect(await json('info', empty)).toMatchObject({ sizeBytes: 0, holds: { kind: 'blank' } })
    const zip = image(folder, 'zip', Buffer.from('PK\x03\x04'.padEnd(8192, '\0')))
    expect(await json('info', zip)).toMatchObject({
      holds: { kind: 'other', description: 'a zip archive' },
    })
    const old = folder.file('old')
    await ok(['create', old, '--size', '64KiB', '--format', '1'])
    await ok(['produce', old], 'one\n')
    expect(await json('info', old)).toMatchObject({
      holds: { kind: 'ring', format: 1, capacityBytes: 64000, usedBytes: 8 },
    })
    expect((await ok(['device', 'info', old])).toString()).toContain('a ring with 8 bytes of items')
    const damaged = folder.file('damaged')
    copyFileSync(new URL('../golden/corrupt-bool-consumer.img', import.meta.url), damaged)
    expect(await json('info', damaged)).toMatchObject({
      holds: { kind: 'damaged-ring', problem: expect.stringContaining('field suspend') },
    })
    const missing = await sbr(['device', 'info', folder.file('missing'), '--json'])
    expect([missing.code, jsonError(missing)['code']]).toEqual([1, 'BLOCK_OPEN'])
  })

  test('works on a ring at work', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await makeRing(path, '64KiB')
    await ok(['produce', path], 'one\n')
    await using consumer = start(['consume', path])
    await consumer.printed((stdout) => stdout.length > 0)
    expect(await json('info', path)).toMatchObject({ holds: { kind: 'ring' } })
  })

  test('tells what a raw device is', async (context) => {
    needs(context, loopProblem())
    using folder = temporaryFolder()
    const file = image(folder, 'image', Buffer.alloc(MIB))
    using loop = attachLoop(file, { sectorSize: 4096, readOnly: true })
    expect(await json('info', loop.path)).toMatchObject({
      kind: 'raw',
      sizeBytes: MIB,
      sectorSize: 4096,
      unusedBytes: 0,
      readWrite: false,
      direct: true,
    })
    expect(await json('info', loop.path, '--buffered')).toMatchObject({ direct: false })
  })
})

describe('compare', () => {
  test('finds equal what is equal', async () => {
    using folder = temporaryFolder()
    const [a, b] = [image(folder, 'a', content(MIB)), image(folder, 'b', content(MIB))]
    expect(await json('compare', a, b)).toEqual({ devices: [a, b], status: 'equal' })
    expect(await json('compare', a, a)).toMatchObject({ status: 'equal' })
    expect((await ok(['device', 'compare', a, b])).toString()).toBe(`${a} and ${b} are equal\n`)
  })

  test('finds the first difference', async () => {
    using folder = temporaryFolder()
    const [a, b] = [image(folder, 'a', content(4 * MIB)), image(folder, 'b', content(4 * MIB))]
    for (const offset of [4 * MIB - 1, 3_000_001, 0]) {
      poke(b, offset, 0x5a ^ (content(4 * MIB)[offset] ?? 0))
      const different = await sbr(['device', 'compare', a, b, '--json'])
      expect(different.code).toBe(3)
      expect(JSON.parse(different.stdout.toString())).toEqual({
        devices: [a, b],
        status: 'different',
        offset,
      })
      expect(jsonError(different)).toMatchObject({ code: 'CLI_DIFFERENT', offset })
    }
    const text = await sbr(['device', 'compare', a, b])
    expect([text.code, text.stdout.length]).toEqual([3, 0])
    expect(text.stderr).toContain('differ, first at byte 0 ')
  })

  test('tells sizes that differ', async () => {
    using folder = temporaryFolder()
    const [a, b] = [hole(folder, 'a', 4096), hole(folder, 'b', 8192)]
    const different = await sbr(['device', 'compare', a, b, '--json'])
    expect(different.code).toBe(3)
    expect(JSON.parse(different.stdout.toString())).toMatchObject({
      status: 'different-size',
      sizeBytes: [4096, 8192],
    })
  })

  test('leaves no end out', async () => {
    using folder = temporaryFolder()
    const a = image(folder, 'a', Buffer.alloc(1025))
    const b = image(folder, 'b', Buffer.alloc(1024))
    for (const pair of [
      [a, b],
      [b, a],
    ]) {
      const refused = await sbr(['device', 'compare', ...pair, '--json'])
      expect([refused.code, jsonError(refused)['code']]).toEqual([1, 'CLI_SIZE'])
    }
  })

  test('takes no device that is not there', async () => {
    using folder = temporaryFolder()
    const a = hole(folder, 'a', 4096)
    for (const pair of [
      [a, folder.file('b')],
      [folder.file('b'), a],
    ]) {
      expect((await sbr(['device', 'compare', ...pair])).code).toBe(1)
    }
  })
})

describe('copy', () => {
  test.each([[[]], [['--sparse']], [['--verify']]])(
    'makes a file that is equal %j',
    async (flags) => {
      using folder = temporaryFolder()
      const from = image(folder, 'from', content(MIB + 512))
      truncateSync(from, 4 * MIB)
      poke(from, 4 * MIB - 1, 7)
      const to = folder.file('to')
      expect(await json('copy', from, to, ...flags)).toEqual({
        from,
        to,
        sizeBytes: 4 * MIB,
        created: true,
        verified: flags.includes('--verify'),
        atWork: [],
        leaseHolders: [],
      })
      expect(readFileSync(to).equals(readFileSync(from))).toBe(true)
    },
  )

  test('copies onto a blank file, and a ring continues there', async () => {
    using folder = temporaryFolder()
    const from = folder.file('from')
    await makeRing(from, '64KiB')
    await ok(['produce', from], 'one\ntwo\n')
    const to = hole(folder, 'to', 65536)
    expect(await json('copy', from, to)).toMatchObject({ created: false })
    expect((await ok(['consume', to, '--drain'])).toString()).toBe('one\ntwo\n')
    expect((await ok(['consume', from, '--drain'])).toString()).toBe('one\ntwo\n')
  })

  test('says who is at work on what it copies', async () => {
    using folder = temporaryFolder()
    const from = folder.file('from')
    await makeRing(from, '64KiB')
    await using consumer = start(['consume', from])
    await using producer = start(['produce', from])
    producer.child.stdin.write('one\n')
    await consumer.printed((stdout) => stdout.length > 0)
    const told = await sbr(['device', 'copy', from, folder.file('one')])
    expect(told).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(
        `a producer and a consumer are running on ${from}: the copy is`,
      ),
    })
    const atWork = ['producer', 'consumer']
    expect(await json('copy', from, folder.file('two'))).toMatchObject({ atWork })
  })

  test('takes the space of the data, and not of the size, for a new sparse file', async (context) => {
    needs(context, serverProblem('nbdkit'))
    using folder = temporaryFolder()
    await using server = await startNbdkit(folder.path, ['data', '@0x8000000000 "data"', 'size=1T'])
    const to = folder.file('to')
    expect(await json('copy', server.uri(), to, '--sparse')).toMatchObject({ created: true })
    const { size, blocks } = statSync(to)
    expect([size, blocks * 512 < MIB]).toEqual([2 ** 40, true])
    const file = await open(to)
    try {
      const { buffer } = await file.read(Buffer.alloc(6), 0, 6, 2 ** 39 - 1)
      expect(buffer.toString()).toBe('\0data\0')
    } finally {
      await file.close()
    }
    const full = await sbr(['device', 'copy', server.uri(), folder.file('full'), '--json'])
    expect([full.code, jsonError(full)['code']]).toEqual([1, 'BLOCK_OPEN'])
    expect(full.stderr).toContain('free')
    expect(existsSync(folder.file('full'))).toBe(false)
  })

  test('makes holes only if it is told to', async (context) => {
    using folder = temporaryFolder()
    const from = hole(folder, 'from', 8 * MIB)
    const { capabilities } = (await json('info', from)) as { capabilities: { discard: boolean } }
    needs(context, capabilities.discard ? undefined : 'koffi cannot make holes here')
    await ok(['device', 'copy', from, folder.file('full')])
    await ok(['device', 'copy', from, folder.file('sparse'), '--sparse'])
    expect(statSync(folder.file('full')).blocks * 512).toBeGreaterThanOrEqual(8 * MIB)
    expect(statSync(folder.file('sparse')).blocks * 512).toBeLessThan(MIB)
  })

  test.each(HOLDING)('leaves %s as it is, unless it is forced', async (_, put, found) => {
    using folder = temporaryFolder()
    const to = await targetHolding(folder, put)
    const from = image(folder, 'from', content(4 * MIB))
    const before = readFileSync(to)
    for (const flags of [[], ['--sparse']]) {
      const refused = await sbr(['device', 'copy', from, to, '--json', ...flags])
      expect(refused.code).toBe(1)
      expect(jsonError(refused)).toMatchObject({
        code: 'CLI_NOT_BLANK',
        device: to,
        found: expect.stringContaining(found),
      })
      expect(readFileSync(to).equals(before)).toBe(true)
    }
    await ok(['device', 'copy', from, to, '--force'])
    expect(readFileSync(to).equals(readFileSync(from))).toBe(true)
  })

  test('refuses another size, even if it is forced', async () => {
    using folder = temporaryFolder()
    const from = image(folder, 'from', content(8192))
    for (const [bytes, told] of [
      [4096, '4,096'],
      [16384, '16,384'],
      [8193, 'not a whole number'],
    ] as const) {
      const to = image(folder, 'to', Buffer.alloc(bytes))
      const refused = await sbr(['device', 'copy', from, to, '--force', '--json'])
      expect([refused.code, jsonError(refused)['code']]).toEqual([1, 'CLI_SIZE'])
      expect(refused.stderr).toContain(told)
      expect(readFileSync(to).equals(Buffer.alloc(bytes))).toBe(true)
    }
    for (const bytes of [8193, 0]) {
      const odd = image(folder, 'odd', Buffer.alloc(bytes))
      const refused = await sbr(['device', 'copy', odd, folder.file('new'), '--json'])
      expect([refused.code, jsonError(refused)['code']]).toEqual([1, 'CLI_SIZE'])
      expect(existsSync(folder.file('new'))).toBe(false)
    }
  })

  test('refuses to copy a file to itself, by whatever name', async () => {
    using folder = temporaryFolder()
    const from = image(folder, 'from', content(8192))
    symlinkSync(from, folder.file('symbolic'))
    linkSync(from, folder.file('hard'))
    for (const to of [from, folder.file('symbolic'), folder.file('hard')]) {
      expect((await sbr(['device', 'copy', from, to, '--force'])).code).toBe(2)
    }
    expect(readFileSync(from).equals(content(8192))).toBe(true)
  })

  test('refuses a target that somebody is at work on, even if it is forced', async () => {
    using folder = temporaryFolder()
    const from = image(folder, 'from', content(65536))
    const to = folder.file('to')
    await makeRing(to, '64KiB')
    await ok(['produce', to], 'one\n')
    await using _consumer = start(['consume', to, '--client', 'busy one'])
    while ((await look(to)).usedBytes !== 0) await sleep(10)
    const before = await settled(to)
    for (const args of [
      ['copy', from, to],
      ['erase', to],
    ]) {
      const refused = await sbr(['device', ...args, '--force', '--json'])
      expect([refused.code, jsonError(refused)['code']]).toEqual([1, 'BLOCK_CLAIMED'])
      expect(refused.stderr).toContain('busy one')
    }
    expect(readFileSync(to).equals(before)).toBe(true)
  })

  test('refuses a target that is read-only', async (context) => {
    needs(context, loopProblem())
    using folder = temporaryFolder()
    const from = image(folder, 'from', content(MIB))
    using loop = attachLoop(image(folder, 'to', Buffer.alloc(MIB)), { readOnly: true })
    for (const args of [
      ['copy', from, loop.path],
      ['erase', loop.path],
    ]) {
      const refused = await sbr(['device', ...args, '--force', '--json'])
      expect([refused.code, jsonError(refused)['code']]).toEqual([1, 'BLOCK_READ_ONLY'])
    }
    // Root may write a file that says otherwise.
    if (process.getuid?.() === 0) return
    const to = image(folder, 'file', Buffer.alloc(MIB))
    chmodSync(to, 0o444)
    expect((await sbr(['device', 'copy', from, to])).code).toBe(1)
  })

  test('copies between raw devices of different sectors', async (context) => {
    needs(context, loopProblem())
    using folder = temporaryFolder()
    const from = image(folder, 'from', content(MIB))
    const to = image(folder, 'to', Buffer.alloc(MIB))
    using source = attachLoop(from)
    using target = attachLoop(to, { sectorSize: 4096 })
    await ok(['device', 'copy', source.path, target.path, '--verify'])
    expect(await json('compare', source.path, to)).toMatchObject({ status: 'equal' })
    expect((await sbr(['device', 'copy', source.path, source.path])).code).toBe(2)
    expect((await sbr(['device', 'copy', source.path, '/dev/no-such-device'])).code).toBe(1)
  })

  test('removes the file that it made when it is stopped', async () => {
    using folder = temporaryFolder()
    const from = hole(folder, 'from', 400 * MIB)
    const to = folder.file('to')
    await using copying = start(['device', 'copy', from, to, '--verify', '--json'])
    while (!existsSync(to)) await sleep(2)
    copying.child.kill('SIGINT')
    const ended = await copying.ended
    expect([ended.code, jsonError(ended)['partial']]).toEqual([130, false])
    expect(readdirSync(folder.path)).toEqual(['from'])
  })
})

describe('erase', () => {
  test('writes zeroes, or a pattern from the first byte on', async () => {
    using folder = temporaryFolder()
    const path = image(folder, 'a', content(2 * MIB + 512))
    expect(await json('erase', path, '--force')).toEqual({
      device: path,
      sizeBytes: 2 * MIB + 512,
    })
    expect(readFileSync(path).equals(Buffer.alloc(2 * MIB + 512))).toBe(true)
    // What is blank needs no force.
    await ok(['device', 'erase', path, '--pattern', 'gone: ü '])
    expect(readFileSync(path).equals(Buffer.alloc(2 * MIB + 512, 'gone: ü '))).toBe(true)
  })

  test.each(HOLDING)('leaves %s as it is, unless it is forced', async (_, put, found) => {
    using folder = temporaryFolder()
    const path = await targetHolding(folder, put)
    const before = readFileSync(path)
    const refused = await sbr(['device', 'erase', path, '--json'])
    expect(refused.code).toBe(1)
    expect(jsonError(refused)).toMatchObject({
      code: 'CLI_NOT_BLANK',
      found: expect.stringContaining(found),
    })
    expect(readFileSync(path).equals(before)).toBe(true)
    await ok(['device', 'erase', path, '--force'])
    expect(readFileSync(path).equals(Buffer.alloc(4 * MIB))).toBe(true)
  })

  test('leaves no end out, and makes nothing', async () => {
    using folder = temporaryFolder()
    const path = image(folder, 'a', Buffer.alloc(1025, 1))
    const refused = await sbr(['device', 'erase', path, '--force', '--json'])
    expect([refused.code, jsonError(refused)['code']]).toEqual([1, 'CLI_SIZE'])
    expect(readFileSync(path).equals(Buffer.alloc(1025, 1))).toBe(true)
    expect((await sbr(['device', 'erase', folder.file('missing'), '--force'])).code).toBe(1)
    expect(existsSync(folder.file('missing'))).toBe(false)
  })

  test('can be stopped, and says that it was in the middle', async () => {
    using folder = temporaryFolder()
    const path = hole(folder, 'a', 8192 * MIB)
    await using erasing = start(['device', 'erase', path, '--force', '--pattern', 'x', '--json'])
    while (firstByte(path) === 0) await sleep(2)
    erasing.child.kill('SIGTERM')
    const ended = await erasing.ended
    expect(ended.code).toBe(143)
    expect(jsonError(ended)).toMatchObject({ code: 'CLI_STOPPED', partial: true })
  })
})

test('a long run shows how far it is on a terminal', async (context) => {
  const terminal = promisify(execFile)
  const missing = await terminal('script', ['--version']).then(
    () => undefined,
    () => 'there is no script (Debian package bsdutils) to make a terminal',
  )
  needs(context, missing)
  using folder = temporaryFolder()
  const [a, b] = [hole(folder, 'a', 1024 * MIB), hole(folder, 'b', 1024 * MIB)]
  const command = `'${process.execPath}' '${mainPath}' device compare '${a}' '${b}'`
  const { stdout } = await terminal('script', ['-qec', command, '/dev/null'])
  expect(stdout).toMatch(/comparing \[#*\.*\] +\d+% \d+ MiB\/s/)
  expect(stdout).toMatch(/are equal\r\n$/)
})

test('wrong usage ends with 2', async () => {
  using folder = temporaryFolder()
  const path = image(folder, 'a', content(8192))
  const cases = [
    ['info'],
    ['info', path, path],
    ['compare', path],
    ['compare', path, ''],
    ['copy', path],
    ['copy', path, path, path],
    ['erase'],
    ['erase', path, '--force', '--pattern', ''],
    ['erase', path, '--force', '--nonsense'],
    ['nonsense'],
  ]
  for (const args of cases) expect([args, (await sbr(['device', ...args])).code]).toEqual([args, 2])
  expect(readFileSync(path).equals(content(8192))).toBe(true)
})

test('device commands print their help', async () => {
  for (const command of ['info', 'compare', 'copy', 'erase']) {
    const help = (await ok(['device', command, '--help'])).toString()
    expect(help).toContain('EXAMPLES')
  }
  expect((await ok(['device', '--help'])).toString()).toContain('COMMANDS')
})
