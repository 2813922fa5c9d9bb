import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ok, sbr, temporaryFolder } from './cli.ts'

/** What a message says that can be typed: `sbr create PATH --force`. */
function advised(stderr: string): string[][] {
  const found = stderr.matchAll(/\bsbr ([a-z]+ [^;,()]*?)(?=[;,.]? \(|[;,.]? or |[;,.] |[;,.]?$)/gm)
  return [...found].map(([, command = '']) => command.trim().split(' '))
}

/** A state, a command that is of no use on it, and whether it is once one of its advices was taken. */
interface State {
  readonly what: string
  readonly make: (path: string) => unknown
  readonly command: (path: string) => string[]
  /** How many commands the message has. */
  readonly advices: number
}

const blank = (path: string): void => {
  writeFileSync(path, '')
  truncateSync(path, 65536)
}

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
    command: (path) => ['produce', path],
    advices: 1,
  },
  { what: 'a blank file', make: blank, command: (path) => ['produce', path], advices: 1 },
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
  {
    what: 'a ring with items, to be erased,',
    make: async (path) => {
      await ok(['create', path, '--size', '64KiB'])
      await ok(['produce', path], 'one\n')
    },
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
]

describe('what a message advises helps', () => {
  test.each(states)('$what', async ({ make, command, advices }) => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await make(path)
    const refused = await sbr(command(path))
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('sbr ')])
    const commands = advised(refused.stderr)
    expect([commands.length, refused.stderr]).toEqual([advices, refused.stderr])
    for (const each of commands) await ok(each)
    // What is left is another ring, which may have to be asked for.
    const again = command(path).filter((word) => word !== '--erase')
    expect(await sbr(again)).toMatchObject({ code: 0, stderr: '' })
  })
})
