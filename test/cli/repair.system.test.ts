import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { jsonError, ok, sbr, start, temporaryFolder } from './cli.ts'
import { damage, makeRing } from './tools.ts'

/** Superblock 2, the guard, a slot of each role. */
const PLACES = [16_390, 600, 20_490, 32_780]

test('without --write it only tells; with it, the ring is sound and has all items', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\ntwo\n')
  damage(path, ...PLACES)
  const before = readFileSync(path)
  const planned = (await ok(['repair', path])).toString()
  expect(planned).toContain('would be repaired with --write: 4 blocks')
  expect(planned).toContain('byte 16,384  superblock 2: copied from superblock 1')
  expect(readFileSync(path).equals(before)).toBe(true)
  const done = JSON.parse((await ok(['repair', path, '--write', '--json'])).toString())
  expect(done).toMatchObject({ device: path, format: 2, written: true, left: [] })
  expect(done.actions).toHaveLength(4)
  await ok(['verify', path])
  expect((await ok(['repair', path, '--write'])).toString()).toContain('there is nothing to repair')
  expect((await ok(['consume', path, '--drain'])).toString()).toBe('one\ntwo\n')
})

test('both slots of a role take --rebuild', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\ntwo\nthree\n')
  await ok(['consume', path, '--count', '1'])
  damage(path, 28_680, 32_780)
  const refused = await sbr(['repair', path, '--write', '--json'])
  expect([refused.code, jsonError(refused)]).toMatchObject([1, { code: 'CLI_DAMAGED', left: 2 }])
  expect((await sbr(['consume', path, '--drain'])).code).toBe(1)
  const told = (await ok(['repair', path, '--write', '--rebuild'])).toString()
  expect(told).toContain('may be delivered again')
  expect((await ok(['consume', path, '--drain'])).toString()).toBe('one\ntwo\nthree\n')
})

test('damaged items stay: it says so, also after it wrote what it could, and exits with 1', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\ntwo\nthree\n')
  damage(path, 600, readFileSync(path).indexOf('two'))
  const done = await sbr(['repair', path, '--write'])
  expect([done.code, done.stdout.toString()]).toEqual([
    1,
    expect.stringContaining('1 finding stays:'),
  ])
  expect(done.stdout.toString()).toContain('repaired: 1 block\n')
  const told = await sbr(['repair', path])
  expect(told.code).toBe(1)
  expect(told.stdout.toString()).toContain(
    `${path}: nothing of it can be repaired\n1 finding stays:`,
  )
  expect(told.stdout.toString()).toContain('item 2; 1 item lost')
  expect(told.stderr).toContain('stays damaged')
  const json = await sbr(['repair', path, '--json'])
  expect(json.code).toBe(1)
  expect(JSON.parse(json.stdout.toString())).toMatchObject({
    actions: [],
    left: [{ severity: 'damage', structure: 'item', items: 1, numbers: { first: 2, last: 2 } }],
    moreLeft: 0,
  })
  expect((await ok(['consume', path, '--drain', '--skip-damage'])).toString()).toBe('one\nthree\n')
  expect((await ok(['repair', path])).toString()).toContain('there is nothing to repair')
})

test('is refused while a role is taken', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\n')
  await using consumer = start(['consume', path, '--client', 'me'])
  await consumer.printed((stdout) => stdout.length > 0)
  damage(path, 600)
  const before = readFileSync(path)
  for (const flags of [[], ['--write']]) {
    const refused = await sbr(['repair', path, ...flags, '--json'])
    expect([refused.code, jsonError(refused)]).toMatchObject([1, { code: 'BLOCK_CLAIMED' }])
  }
  expect(readFileSync(path).subarray(0, 12_288).equals(before.subarray(0, 12_288))).toBe(true)
})

test('of format 1 it tells what is wrong, and leaves it', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB', '--format', '1'])
  await ok(['produce', path], 'one\n')
  damage(path, 512 + 8)
  const before = readFileSync(path)
  const told = await sbr(['repair', path, '--write'])
  expect(told.code).toBe(1)
  expect(told.stdout.toString()).toContain(`${path}: nothing of it can be repaired\n`)
  expect(told.stdout.toString()).toContain('byte 520  damage: producer sector: suspend_ack')
  expect(readFileSync(path).equals(before)).toBe(true)
})
