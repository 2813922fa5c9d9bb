import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { attachLoop, loopProblem } from '../helpers/loop.ts'
import { jsonError, numbers, ok, sbr, start, temporaryFolder } from './cli.ts'

const MIB = 1 << 20
/** Each measurement does something once, at least. */
const QUICK = ['--time', '1ms']
const SCRATCH = /^\.sbr-bench-/

const PACE = {
  perSecond: expect.any(Number),
  medianUs: expect.any(Number),
  p99Us: expect.any(Number),
}
const READS = [4096, MIB].map((bytes) => ({ bytes, ...PACE }))
const WRITES = [4096, 65_536, MIB].map((bytes) => ({ bytes, ...PACE }))
const FIGURES = [
  ['push', 1],
  ['push', 64],
  ['push', 1000],
  ['take', 1],
  ['take', 100],
].map(([what, items]) => ({
  what,
  items,
  itemBytes: 100,
  itemsPerSecond: expect.any(Number),
  ...PACE,
}))
const RINGS = ['pool', 'sync'].map((engine) => ({ engine, figures: FIGURES }))

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

async function bench(path: string, ...flags: string[]): Promise<Record<string, unknown>> {
  return JSON.parse((await ok(['bench', path, ...QUICK, '--json', ...flags])).toString())
}

describe('bench', () => {
  test('measures a temporary file in a directory, and removes it', async () => {
    using folder = temporaryFolder()
    const report = await bench(folder.path, '--size', '4MiB')
    expect(report).toEqual({
      device: folder.path,
      measured: 'temporary file',
      sizeBytes: 4 * MIB,
      direct: expect.any(Boolean),
      durability: expect.stringMatching(/^(dsync|flush)$/),
      reads: READS,
      writes: WRITES,
      rings: RINGS,
    })
    expect(readdirSync(folder.path)).toEqual([])
  })

  test('measures next to a path where nothing is, and leaves nothing there', async () => {
    using folder = temporaryFolder()
    const report = await bench(folder.file('none'), '--size', '4MiB')
    expect(report).toMatchObject({ measured: 'temporary file', writes: WRITES })
    expect(readdirSync(folder.path)).toEqual([])
  })

  test('removes the temporary file when it is told to stop', async () => {
    using folder = temporaryFolder()
    await using running = start(['bench', folder.path, '--size', '4MiB', '--time', '10m'])
    const made = (): boolean => readdirSync(folder.path).some((name) => SCRATCH.test(name))
    while (!made()) await new Promise((resolve) => setTimeout(resolve, 10))
    running.child.kill('SIGINT')
    expect((await running.ended).code).toBe(130)
    expect(readdirSync(folder.path)).toEqual([])
  })

  test('only reads what holds a ring, also while a consumer is at work on it', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring.img')
    await ok(['create', path, '--size', '4MiB'])
    await ok(['produce', path], numbers(1, 3))
    const before = digest(path)
    const report = await bench(path)
    expect(report).toMatchObject({
      measured: 'reads only',
      reason: expect.stringContaining('a ring with'),
      holds: { kind: 'ring' },
      reads: READS,
      writes: [],
      rings: [],
    })
    expect(digest(path)).toBe(before)

    await using consumer = start(['consume', path])
    await consumer.printed((stdout) => stdout.toString() === numbers(1, 3))
    expect(await bench(path)).toMatchObject({ measured: 'reads only' })
  })

  test.each([
    ['at its start', 0],
    ['where it would write', 2 * MIB],
    ['at its end', 8 * MIB - 1],
  ])('does not write to what holds a byte %s', async (_, at) => {
    using folder = temporaryFolder()
    const path = folder.file('data')
    const content = Buffer.alloc(8 * MIB)
    content[at] = 1
    writeFileSync(path, content)
    expect(await bench(path)).toMatchObject({ measured: 'reads only', writes: [], rings: [] })
    expect(readFileSync(path).equals(content)).toBe(true)
    expect(readdirSync(folder.path)).toEqual(['data'])
  })

  test('writes to a blank file behind its first MiB, and leaves it blank', async () => {
    using folder = temporaryFolder()
    const path = folder.file('blank')
    const blank = Buffer.alloc(6 * MIB)
    writeFileSync(path, blank)
    expect(await bench(path)).toMatchObject({
      measured: 'blank device',
      holds: { kind: 'blank' },
      sizeBytes: 5 * MIB,
      reads: READS,
      writes: WRITES,
      rings: RINGS,
    })
    expect(readFileSync(path).equals(blank)).toBe(true)
  })

  test('only reads a blank file that is too small, with what fits it', async () => {
    using folder = temporaryFolder()
    const small = folder.file('small')
    writeFileSync(small, Buffer.alloc(MIB))
    expect(await bench(small)).toMatchObject({ measured: 'reads only', reason: 'it is too small' })
    const tiny = folder.file('tiny')
    writeFileSync(tiny, Buffer.alloc(4096))
    expect(await bench(tiny)).toMatchObject({ reads: [READS[0]] })
  })

  test('measures a blank raw device, and leaves it blank', async (context) => {
    needs(context, loopProblem())
    using folder = temporaryFolder()
    const path = folder.file('blank')
    writeFileSync(path, '')
    truncateSync(path, 6 * MIB)
    using loop = attachLoop(path)
    expect(await bench(loop.path)).toMatchObject({
      measured: 'blank device',
      direct: true,
      writes: WRITES,
      rings: RINGS,
    })
    expect(readFileSync(path).equals(Buffer.alloc(6 * MIB))).toBe(true)
  })

  test('prints a table for people, and says how to measure writes', async () => {
    using folder = temporaryFolder()
    const path = folder.file('data')
    writeFileSync(path, Buffer.alloc(2 * MIB, 1))
    const text = (await ok(['bench', path, ...QUICK])).toString()
    expect(text).toMatch(/read, 4 KiB +[\d,]+ +[\d,]+ us +[\d,]+ us +[\d,]+\n/)
    expect(text).toContain('Nothing was written, because it holds unknown data')
    expect(text).toContain('sbr bench FOLDER')
    const made = (await ok(['bench', folder.path, ...QUICK, '--size', '4MiB'])).toString()
    expect(made).toMatch(/push, one at a time +[\d,]+ +[\d,]+ us +[\d,]+ us +\d+\.\d\d\n/)
    expect(made).toMatch(/push, 1,000 a commit +[\d,]+ +[\d,]+ us +[\d,]+ us\n/)
  })

  test('refuses an invalid size, and one for an existing file', async () => {
    using folder = temporaryFolder()
    const small = await sbr(['bench', folder.path, '--size', '1MiB', '--json'])
    expect([small.code, jsonError(small)['code']]).toEqual([2, 'CLI_USAGE'])
    const path = folder.file('data')
    writeFileSync(path, Buffer.alloc(MIB))
    const there = await sbr(['bench', path, '--size', '4MiB', '--json'])
    expect([there.code, jsonError(there)['code']]).toEqual([2, 'CLI_USAGE'])
    const nowhere = await sbr(['bench', folder.file('no/such'), '--json'])
    expect([nowhere.code, jsonError(nowhere)['code']]).toEqual([1, 'BLOCK_OPEN'])
  })
})
