import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { jsonError, numbers, ok, sbr, start, temporaryFolder } from './cli.ts'
import { damage, makeRing } from './tools.ts'

test('a sound ring: says so, counts what waits, and changes nothing', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\ntwo\nthree\n')
  const before = readFileSync(path)
  const text = (await ok(['verify', path])).toString()
  expect(text).toContain('a sound ring of format 2')
  expect(text).toContain('3 items waiting, 11 bytes')
  expect(JSON.parse((await ok(['verify', path, '--json'])).toString())).toMatchObject({
    device: path,
    format: 2,
    sound: true,
    findings: [],
    log: { items: 3, bytes: 11 },
  })
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('a damaged one: says what, where and what to do, and exits with 1', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\ntwo\nthree\n')
  damage(path, 16_384, readFileSync(path).indexOf('two'))
  const told = await sbr(['verify', path])
  expect(told.code).toBe(1)
  expect(told.stdout.toString()).toMatch(/byte 16,384 {2}damage: superblock 2: magic: expected/)
  expect(told.stdout.toString()).toMatch(/damage: item: checksum: .*\n.*item 2; 1 item lost/)
  // As it is typed.
  expect(told.stdout.toString()).toContain(`(sbr consume ${path} --skip-damage, `)
  expect(told.stderr).toMatch(
    /^sbr: .*damaged ring of format 2; 1 item cannot be read \(CLI_DAMAGED\)\n$/,
  )
  const json = await sbr(['verify', path, '--json'])
  expect(json.code).toBe(1)
  const { findings } = JSON.parse(json.stdout.toString())
  expect(findings).toMatchObject([
    { severity: 'damage', offset: 16_384, structure: 'superblock 2' },
    { severity: 'damage', structure: 'item', items: 1, numbers: { first: 2, last: 2 } },
  ])
  expect(jsonError(json)).toMatchObject({ code: 'CLI_DAMAGED', findings: 2, damagedItems: 1 })
})

test('a ring of format 1: counts what waits, and reports damage', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB', '--format', '1'])
  await ok(['produce', path], 'one\ntwo\n')
  expect((await ok(['verify', path])).toString()).toContain('2 items waiting, 6 bytes')
  damage(path, 1536 + 8 + 2)
  const told = await sbr(['verify', path])
  expect(told.code).toBe(1)
  expect(told.stdout.toString()).toMatch(/byte 1,544 {2}damage: record: length/)
})

test('a device without a ring is an error', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, '')
  const other = folder.file('other')
  await ok(['device', 'copy', path, other])
  await ok(['device', 'erase', other, '--force'])
  const told = await sbr(['verify', other, '--json'])
  expect([told.code, jsonError(told)]).toMatchObject([1, { code: 'RING_NOT_INITIALISED' }])
})

test('nothing is wrong with a ring at work', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, '')
  await using producer = start(['produce', path])
  await using consumer = start(['consume', path])
  const rounds = 8
  let pushed = 0
  for (let round = 0; round < rounds; round++) {
    const more = numbers(pushed + 1, pushed + 5000)
    pushed += 5000
    const [verified] = await Promise.all([
      sbr(['verify', path, '--json']),
      producer.child.stdin.write(more) ? undefined : once(producer.child.stdin, 'drain'),
    ])
    expect([verified.code, verified.stderr]).toEqual([0, ''])
    expect(JSON.parse(verified.stdout.toString())).toMatchObject({ sound: true, findings: [] })
  }
  producer.child.stdin.end()
  const last = `\n${pushed}\n`
  await consumer.printed((stdout) => stdout.subarray(-last.length).toString() === last)
})
