import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { whyBuild } from '../../scripts/built.mjs'
import { needs } from '../helpers/interop.ts'
import { fetchRuntimes, type Runtime } from '../helpers/runtimes.ts'

const run = promisify(execFile)
const coder = fileURLToPath(new URL('./coder.mjs', import.meta.url))

interface Coded {
  readonly made: readonly string[]
  readonly read: readonly string[]
  readonly wrong: number
}

async function code({ command }: Runtime, frames: readonly string[]): Promise<Coded> {
  const [program = '', ...args] = [...command, coder, JSON.stringify(frames)]
  return JSON.parse((await run(program, args)).stdout)
}

test('what one runtime compresses and encrypts, the others decode', async (context) => {
  const { runtimes, problem } = await fetchRuntimes()
  needs(context, problem)
  expect(whyBuild()).toBeUndefined()
  const made = new Map<string, readonly string[]>()
  for (const runtime of runtimes) made.set(runtime.name, (await code(runtime, [])).made)
  const all = [...made.values()].flat()
  // zlib of each, and zstd of all but the oldest.
  expect(all).toHaveLength(2 * runtimes.length - 1)
  for (const runtime of runtimes) {
    const { read, wrong } = await code(runtime, all)
    const withoutZstd = runtime.name === 'node 20'
    const expected = [...made.values()].flatMap((frames) =>
      frames.map((_, index) => (withoutZstd && index === 1 ? 'CODEC_UNSUPPORTED' : 'the item')),
    )
    expect([runtime.name, read, wrong]).toEqual([runtime.name, expected, 0])
  }
})
