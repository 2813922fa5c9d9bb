import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../cli/cli.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const machine = { node: '1.2.3', system: 'test', cpus: '1 x test', fileSystem: 'none' }
const nbd = {
  whole: true,
  machine,
  rounds: 3,
  rows: [
    {
      name: 'read 4 KiB x 1',
      fio: { median: 200, spread: 0.1, samples: [100, 200, 400] },
      ring: { median: 300, spread: 0.1, samples: [50, 300, 600] },
    },
  ],
}

/** A copy of the documents, and a folder of results. */
function publishing(path: string): {
  put: (name: string, result: unknown) => void
  run: (...flags: string[]) => { status: number | null; stderr: string }
} {
  const [to, from] = [join(path, 'to'), join(path, 'from')]
  cpSync(join(root, 'docs'), join(to, 'docs'), { recursive: true })
  cpSync(join(root, 'README.md'), join(to, 'README.md'))
  mkdirSync(from)
  const script = join(root, 'bench/publish.mjs')
  return {
    put: (name, result) => writeFileSync(join(from, `${name}.json`), JSON.stringify(result)),
    run: (...flags) =>
      spawnSync(process.execPath, [script, '--from', from, '--to', to, ...flags], {
        encoding: 'utf8',
      }),
  }
}

describe('bench:publish', () => {
  test('the documents say what was published', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(root, 'bench/publish.mjs'), '--check'],
      { encoding: 'utf8' },
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('writes figures into their place, and finds one that was changed by hand', () => {
    using folder = temporaryFolder()
    const { put, run } = publishing(folder.path)
    put('nbd', nbd)
    expect(run()).toMatchObject({ status: 0 })
    expect(run('--check')).toMatchObject({ status: 0 })
    const path = join(folder.path, 'to/docs/nbd.md')
    const text = readFileSync(path, 'utf8')
    // The median of 0.5, 1.5 and 1.5.
    expect(text).toMatch(/\| read 4 KiB x 1 +\| +200 ±10 % \| +300 ±10 % \| +1\.50 \|/)
    expect(text).toContain('## Limits')
    writeFileSync(path, text.replace('300 ±10 %', '310 ±10 %'))
    expect(run('--check')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('docs/nbd.md'),
    })
    expect(run()).toMatchObject({ status: 0 })
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  test('takes no part of a measurement, unless it is told to', () => {
    using folder = temporaryFolder()
    const { put, run } = publishing(folder.path)
    put('nbd', { ...nbd, whole: false })
    expect(run()).toMatchObject({ status: 1, stderr: expect.stringContaining('nbd.json') })
    expect(readFileSync(join(folder.path, 'to/docs/nbd.md'), 'utf8')).not.toContain('200 ±10 %')
    expect(run('--short')).toMatchObject({ status: 0 })
    expect(readFileSync(join(folder.path, 'to/docs/nbd.md'), 'utf8')).toContain('200 ±10 %')
  })
})
