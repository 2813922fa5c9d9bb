import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { diagnose, jsonError, ok, sbr, temporaryFolder } from './cli.ts'
import { damage, makeRing } from './tools.ts'

const EVENTS = (stderr: string): unknown[] =>
  stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

test('consume stops at damage, and names the flag that skips it', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\ntwo\nthree\n')
  damage(path, readFileSync(path).indexOf('two'))
  const stopped = await sbr(['consume', path, '--drain'])
  expect([stopped.code, stopped.stdout.toString()]).toEqual([1, 'one\n'])
  expect(stopped.stderr).toMatch(
    /^sbr: \S+: 1 damaged item \(#2\): item at byte 45,\d+: checksum: expected that of the batch's table, /,
  )
  expect(stopped.stderr).toContain(`sbr consume ${path} --skip-damage, or sbr migrate ${path} NEW`)
  expect(await diagnose(path, '--no-items')).toMatchObject({ stats: { acknowledgedItems: 1 } })
})

test('consume --skip-damage prints what is sound, tells what is lost, and acknowledges both', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\ntwo\nthree\nfour\n')
  const content = readFileSync(path)
  damage(path, content.indexOf('two'), content.indexOf('four'))
  const done = await sbr(['consume', path, '--drain', '--skip-damage'])
  expect([done.code, done.stdout.toString()]).toEqual([0, 'one\nthree\n'])
  const [first, second, sum] = done.stderr.split('\n')
  expect(first).toMatch(/: stepping over 1 damaged item \(#2\): item at byte 45,/)
  expect(second).toContain('stepping over 1 damaged item (#4): item at ')
  expect(sum).toBe(`sbr: ${path}: 2 items lost: 2 damaged, 0 overwritten`)
  expect(await diagnose(path)).toMatchObject({
    ...{ waitingItems: 0, stats: { acknowledgedItems: 4, damagedItems: 2 } },
  })
})

test('many damaged items of one batch are a line, and not as many', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  const lines = Array.from({ length: 1000 }, (_, index) => `item ${10_000 + index}`)
  await makeRing(path, `${lines.join('\n')}\n`)
  const content = readFileSync(path)
  const half = lines.filter((_, index) => index % 2 === 0)
  damage(path, ...half.map((line) => content.indexOf(line)))
  const verified = await sbr(['verify', path])
  expect(verified.stdout.toString().split('\n')).toHaveLength(5)
  expect(verified.stdout.toString()).toMatch(/500 places from byte .*among items 1 to 999/s)
  const done = await sbr(['consume', path, '--drain', '--skip-damage'])
  expect([done.code, done.stdout.toString().split('\n')]).toEqual([0, expect.any(Array)])
  const told = done.stderr.trimEnd().split('\n')
  expect(told[0]).toContain('stepping over 1 damaged item (#1): item at ')
  expect(told[1]).toMatch(/stepping over more in \d+ places: \d+ damaged items \(#3 to #/)
  expect(told.at(-1)).toBe(`sbr: ${path}: 500 items lost: 500 damaged, 0 overwritten`)
  // One more for each second that it takes.
  expect(told.length).toBeLessThan(50)
})

test('with --json these are objects, and an empty ring is one still', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\n')
  damage(path, readFileSync(path).indexOf('one'))
  const done = await sbr(['consume', path, '--drain', '--skip-damage', '--json'])
  expect([done.code, done.stdout.length]).toEqual([3, 0])
  expect(EVENTS(done.stderr)).toMatchObject([
    {
      event: 'damaged',
      ...{ items: 1, numbers: { first: 1, last: 1 }, position: expect.any(String) },
      ...{ offset: 45_144, structure: 'item', problem: expect.stringMatching(/^checksum: /) },
    },
    { event: 'lost', damagedItems: 1, missedItems: 0 },
    { error: { code: 'CLI_EMPTY' } },
  ])
  expect((await sbr(['consume', path, '--drain'])).code).toBe(3)
})

test('consume tells how many items were overwritten before it read them', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB', '--on-full', 'overwrite'])
  for (let n = 0; n < 4; n++) await ok(['produce', path], `${'x'.repeat(3000)}\n`.repeat(10))
  const { stats } = (await diagnose(path, '--no-items')) as { stats: { missedItems: number } }
  expect(stats.missedItems).toBeGreaterThan(0)
  const done = await sbr(['consume', path, '--drain', '--json'])
  expect(done.code).toBe(0)
  expect(EVENTS(done.stderr)).toEqual([
    { event: 'missed', items: stats.missedItems },
    { event: 'lost', damagedItems: 0, missedItems: stats.missedItems },
  ])
})

test('in format 1 nothing can be skipped, and it says so', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB', '--format', '1'])
  await ok(['produce', path], 'one\ntwo\n')
  damage(path, 1536 + 8 + 2)
  const stopped = await sbr(['consume', path, '--drain', '--skip-damage', '--json'])
  expect(stopped.code).toBe(1)
  expect(JSON.parse(stopped.stdout.toString())).toMatchObject({ hex: '6f6e65' })
  expect(jsonError(stopped)).toMatchObject({
    code: 'RING_CORRUPT',
    message: expect.stringContaining('In format 1 later items cannot be found'),
  })
})
