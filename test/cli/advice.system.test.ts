import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { attachLoop, loopProblem } from '../helpers/loop.ts'
import { ok, sbr, temporaryFolder } from './cli.ts'

/** What a message says that can be typed: `sbr create PATH --force`. */
function advised(stderr: string): string[][] {
  const found = stderr.matchAll(
    /\bsbr ([a-z]+ [^;,()]*?)(?=[;,.]? \(|[;,.]? or |[;,.] |\)|[;,.]?$)/gm,
  )
  return [...found].map(([, command = '']) => command.trim().split(' '))
}

/** A state, a command that is of no use on it, and whether it is once all that its message advises was done. */
interface State {
  readonly what: string
  readonly make: (path: string) => unknown
  readonly command: (path: string) => string[]
  /** How many commands the message has. */
  readonly advices: number
  /** What the message says of what is there. */
  readonly says?: string
}

const KIB = 1024
const blank = (path: string): void => {
  writeFileSync(path, '')
  truncateSync(path, 64 * KIB)
}
const put = (path: string, at: number, bytes: Uint8Array): void => {
  const fd = openSync(path, 'r+')
  writeSync(fd, bytes, 0, bytes.length, at)
  closeSync(fd)
}
/** A ring with two items, each in a commit of its own. */
const ring = async (path: string, ...flags: string[]): Promise<void> => {
  await ok(['create', path, '--size', '256KiB', ...flags])
  await ok(['produce', path], 'one\n')
  await ok(['produce', path], 'two\n')
}
const produce = (path: string): string[] => ['produce', path]

const states: readonly State[] = [
  {
    what: 'nothing',
    make: () => undefined,
    command: (path) => ['diagnostics', path],
    advices: 1,
  },
  {
    what: 'an empty file',
    make: (path) => writeFileSync(path, ''),
    command: produce,
    advices: 1,
  },
  { what: 'a blank file', make: blank, command: produce, advices: 1, says: 'are blank' },
  ...['create', 'produce', 'journal push', 'device info'].map((command) => ({
    what: `a link to nothing, for ${command},`,
    make: (path: string) => {
      mkdirSync(`${dirname(path)}/data`)
      symlinkSync('data/real', path)
    },
    command: (path: string) => [...command.split(' '), path],
    advices: 1,
  })),
  {
    what: 'other content',
    make: (path) => writeFileSync(path, Buffer.alloc(65536, 'data')),
    command: (path) => ['create', path],
    advices: 1,
  },
  ...([1, 2] as const).map((format) => ({
    what: `a creation of format ${format} that was cut short`,
    make: (path: string) => {
      blank(path)
      put(path, 512 + 8, Uint8Array.of(format === 1 ? 2 : 0xff))
    },
    command: produce,
    advices: 1,
    says: `a ring of format ${format} whose creation was cut short`,
  })),
  {
    what: 'a creation of format 2 that was cut short behind its guard',
    make: async (path) => {
      await ok(['create', path, '--size', '64KiB'])
      put(path, 12 * KIB, Buffer.alloc(52 * KIB))
    },
    command: produce,
    // The other one is for a device that has grown, and finds nothing to do any more.
    advices: 2,
  },
  {
    what: 'a ring without its guard',
    make: async (path) => {
      await ring(path)
      put(path, 0, Buffer.alloc(12 * KIB))
    },
    command: produce,
    advices: 1,
  },
  ...(['producer', 'consumer'] as const).map((role, index) => ({
    what: `a ring without the slots of its ${role}`,
    make: async (path: string) => {
      await ring(path)
      put(path, (20 + 8 * index) * KIB, Buffer.alloc(8 * KIB))
    },
    command: produce,
    advices: 1,
    says: `slots of the ${role}`,
  })),
  {
    what: 'a ring with items, to be erased,',
    make: (path) => ring(path),
    command: (path) => ['create', path, '--erase'],
    advices: 1,
  },
  {
    what: 'a damaged ring that is too small for format 2',
    make: (path) =>
      writeFileSync(
        path,
        readFileSync(new URL('../golden/corrupt-pointers-huge.img', import.meta.url)),
      ),
    command: (path) => ['create', path],
    advices: 1,
  },
  {
    what: 'a damaged item',
    make: async (path) => {
      await ring(path)
      put(path, readFileSync(path).indexOf('one'), Buffer.from('two'))
    },
    command: (path) => ['diagnostics', path],
    advices: 2,
  },
]

describe('what a message advises helps', () => {
  test.each(states)('$what', async ({ make, command, advices, says = '' }) => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await make(path)
    const refused = await sbr(command(path))
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(says)])
    const commands = advised(refused.stderr)
    expect([commands.length, refused.stderr]).toEqual([advices, refused.stderr])
    for (const each of commands) {
      const words = each.map((word) => (word === 'NEW' ? folder.file('new') : word))
      // It waits for more, which nobody pushes here.
      const output = await ok(each[0] === 'consume' ? [...words, '--drain'] : words)
      // Of what this only looks at, its own words are walked too.
      if (output.includes('would be repaired with --write')) await ok([...words, '--write'])
    }
    // What is left is another ring, which may have to be asked for.
    const again = command(path).filter((word) => word !== '--erase')
    expect(await sbr(again)).toMatchObject({ code: 0, stderr: '' })
  })

  test('where something else is, it says what, and nothing of making a ring there', async () => {
    using folder = temporaryFolder()
    const path = folder.file('disk')
    blank(path)
    // What ext4 has 1,080 bytes behind its start, which is blank.
    put(path, 1080, Uint8Array.of(0x53, 0xef))
    for (const command of ['produce', 'consume', 'diagnostics', 'verify', 'lease show']) {
      const { code, stderr } = await sbr([...command.split(' '), path])
      expect([command, code, stderr]).toEqual([
        command,
        1,
        expect.stringContaining(
          `sbr: there is no ring on ${path}: it holds an ext2, ext3 or ext4 file system; check the path`,
        ),
      ])
    }
  })

  test('a read-only device is called that, and nothing is said of options of the library', async (context) => {
    needs(context, loopProblem())
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await ring(path)
    using loop = attachLoop(path, { readOnly: true })
    for (const command of [
      'produce',
      'consume',
      'suspend',
      'create --erase --force',
      'journal push',
    ]) {
      const { code, stderr } = await sbr([...command.split(' '), loop.path])
      expect([command, code, stderr]).toEqual([
        command,
        1,
        expect.stringMatching(
          /is a read-only device; make it writable where it was made or attached, or with blockdev --setrw[ .]/,
        ),
      ])
      expect(stderr).not.toMatch(/mode '|open it/)
    }
  })
})
