import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { isSameStorage } from '../../src/cli/device/same-storage.ts'
import { needs } from '../helpers/interop.ts'
import { addPartition, attachLoop, loopProblem } from '../helpers/loop.ts'
import { serverProblem, startNbdkit } from '../helpers/nbd-servers.ts'
import { jsonError, numbers, ok, sbr, start, type TemporaryFolder, temporaryFolder } from './cli.ts'
import { waiting } from './rings.ts'

const MIB = 1 << 20

/** A ring with items, of either format. */
async function filledRing(folder: TemporaryFolder, format = '2'): Promise<string> {
  const path = folder.file('ring')
  await ok(['create', path, '--size', '1MiB', '--format', format])
  await ok(['produce', path], numbers(1, 100))
  return path
}

/** Expects that no command copies one name to the other, or compares them, and that none changes anything. */
async function expectRefused(file: string, one: string, other: string): Promise<void> {
  const before = readFileSync(file)
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    for (const args of [
      ['device', 'copy', from, to, '--force', '--verify'],
      ['device', 'copy', from, to, '--force', '--sparse'],
      ['migrate', from, to, '--add'],
    ]) {
      const refused = await sbr([...args, '--json'])
      expect([refused.code, jsonError(refused)['code']], args.join(' ')).toEqual([2, 'CLI_USAGE'])
      expect(refused.stderr).toContain('are the same')
      expect(readFileSync(file).equals(before)).toBe(true)
    }
  }
}

test('a file and its loop device are one, also by a partition of it', async (context) => {
  needs(context, loopProblem())
  using folder = temporaryFolder()
  const file = await filledRing(folder)
  using loop = attachLoop(file)
  await expectRefused(file, file, loop.path)
  const compared = await sbr(['device', 'compare', file, loop.path])
  expect([compared.code, compared.stderr]).toEqual([0, expect.stringContaining('are one storage')])
  const json = (await ok(['device', 'compare', loop.path, file, '--json'])).toString()
  expect(JSON.parse(json)).toMatchObject({ status: 'equal', sameStorage: true })
  using second = attachLoop(file)
  expect(await isSameStorage(loop.path, second.path)).toBe(true)
  const partition = addPartition(loop.path, 8, 64)
  try {
    expect(await isSameStorage(partition, loop.path)).toBe(true)
    expect(await isSameStorage(file, partition)).toBe(true)
  } finally {
    execFileSync('delpart', [loop.path, '1'])
  }
})

test('parts of a disk that do not overlap are two', async (context) => {
  needs(context, loopProblem())
  using folder = temporaryFolder()
  const [file, other] = [folder.file('disk'), folder.file('other')]
  writeFileSync(file, new Uint8Array(2 * MIB))
  writeFileSync(other, new Uint8Array(2 * MIB))
  const options = (offset: number) => ['--offset', String(offset), '--sizelimit', String(MIB)]
  using first = attachLoop(file, { flags: options(0) })
  using second = attachLoop(file, { flags: options(MIB) })
  using shifted = attachLoop(file, { flags: options(512) })
  expect(await isSameStorage(first.path, second.path)).toBe(false)
  expect(await isSameStorage(first.path, shifted.path)).toBe(true)
  expect(await isSameStorage(first.path, other)).toBe(false)
})

for (const format of ['1', '2']) {
  test(`a file and an export of it are one, and so are two exports, format ${format}`, async (context) => {
    needs(context, serverProblem('nbdkit'))
    using folder = temporaryFolder()
    using folderOfSecond = temporaryFolder()
    const file = await filledRing(folder, format)
    await using server = await startNbdkit(folder.path, ['file', file])
    await using second = await startNbdkit(folderOfSecond.path, ['file', file])
    await expectRefused(file, file, server.uri())
    await expectRefused(file, server.uri('one'), server.uri('other'))
    await expectRefused(file, server.uri(), second.uri())
  })
}

test('who is at work on the source is not disturbed to find out', async (context) => {
  needs(context, serverProblem('nbdkit'))
  using folder = temporaryFolder()
  const file = await filledRing(folder, '1')
  await using server = await startNbdkit(folder.path, ['file', file])
  await using producer = start(['produce', file])
  producer.child.stdin.write('101\n')
  while ((await waiting(file)).length < 101);
  const before = readFileSync(file)
  const refused = await sbr(['device', 'copy', file, server.uri(), '--force', '--json'])
  expect([refused.code, jsonError(refused)['code']]).toEqual([1, 'BLOCK_CLAIMED'])
  expect(readFileSync(file).equals(before)).toBe(true)
})

test('a copy is another ring, though it has the same UUID', async (context) => {
  needs(context, serverProblem('nbdkit'))
  using folder = temporaryFolder()
  const file = await filledRing(folder)
  const copy = folder.file('copy')
  await ok(['device', 'copy', file, copy])
  await using server = await startNbdkit(folder.path, ['file', copy])
  await ok(['device', 'copy', file, server.uri(), '--force', '--verify'])
  await ok(['device', 'compare', file, copy])
  await ok(['migrate', file, server.uri(), '--add'])
  expect(await waiting(copy)).toHaveLength(200)
  expect(await waiting(file)).toHaveLength(0)
})

test('a ring at work is copied over something else', async () => {
  using folder = temporaryFolder()
  const file = await filledRing(folder)
  await using producer = start(['produce', file])
  producer.child.stdin.write('101\n')
  while ((await waiting(file)).length < 101);
  const other = folder.file('other')
  writeFileSync(other, new Uint8Array(MIB).fill(1))
  await ok(['device', 'copy', file, other, '--force'])
})
