import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { diagnose, jsonError, numbers, ok, sbr, start, temporaryFolder } from './cli.ts'
import { damage, makeRing } from './tools.ts'

test('moves a ring of format 1 to a larger one of format 2, which it makes', async () => {
  using folder = temporaryFolder()
  const from = folder.file('old')
  const to = folder.file('new')
  await ok(['create', from, '--format', '1', '--size', '64KiB'])
  await ok(['produce', from], numbers(1, 100))
  const flags = ['--size', '1MiB', '--name', 'orders']
  const kept = await ok(['migrate', from, to, ...flags, '--keep', '--json'])
  const lost = { damaged: 0, missed: 0 }
  expect(JSON.parse(kept.toString())).toEqual({
    ...{ from, to, items: 100, bytes: 192, before: 0, ...lost },
  })
  expect(await diagnose(from)).toMatchObject({ format: 1, items: { length: 100 } })
  expect((await ok(['migrate', from, to])).toString()).toBe(
    `${to}: moved 0 items, 0 bytes; 100 were there already\n`,
  )
  expect(await diagnose(from)).toMatchObject({ used: 0 })
  expect(await diagnose(to)).toMatchObject({
    ...{ format: 2, waitingItems: 100, capacity: (1 << 20) - 12 * 4096 },
    ring: { name: 'orders', blockSize: 4096 },
  })
  expect((await ok(['consume', to, '--drain'])).toString()).toBe(numbers(1, 100))
})

test('adds to a ring with items of its own only when it is told to', async () => {
  using folder = temporaryFolder()
  const [from, to] = [folder.file('old'), folder.file('new')]
  for (const path of [from, to]) {
    await ok(['create', path, '--size', '256KiB'])
    await ok(['produce', path], `${path}\n`)
  }
  const before = readFileSync(to)
  const refused = await sbr(['migrate', from, to, '--json'])
  expect(refused.code).toBe(1)
  const { code, message } = jsonError(refused)
  expect(code).toBe('RING_NOT_BLANK')
  expect(message).toContain(`sbr migrate ${from} ${to} --add. `)
  expect(message).toContain('would be there twice')
  // None of that helps.
  expect(message).not.toMatch(/holds items|sbr create|--erase|run it again/)
  expect(readFileSync(to).equals(before)).toBe(true)
  await ok(['migrate', from, to, '--add'])
  expect((await ok(['consume', to, '--drain'])).toString()).toBe(`${to}\n${from}\n`)
})

test('refuses what cannot be', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB'])
  expect(await sbr(['migrate', path, path])).toMatchObject({ code: 2 })
  expect(await sbr(['migrate', path, folder.file('new'), '--size', '4KiB'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--size: expected at least 65536 bytes'),
  })
  expect(await sbr(['create', path, '--block-size', '1000'])).toMatchObject({ code: 2 })
  const other = folder.file('other')
  await ok(['create', other, '--size', '64KiB'])
  expect(await sbr(['migrate', path, other, '--format', '1'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--format: the ring on'),
  })
})

test('tells how many damaged items it stepped over, and stops at them if it is not to', async () => {
  using folder = temporaryFolder()
  const [from, to] = [folder.file('old'), folder.file('new')]
  await makeRing(from, 'one\ntwo\nthree\n')
  damage(from, readFileSync(from).indexOf('two'))
  const stopped = await sbr(['migrate', from, to, '--size', '64KiB', '--json'])
  expect(jsonError(stopped)).toMatchObject({ code: 'RING_DAMAGED', items: 1, moved: 1 })
  expect(jsonError(stopped)['message']).toContain(`sbr migrate ${from} NEW --skip-damage`)
  expect(jsonError(stopped)['message']).not.toContain('run it again')
  expect((await ok(['migrate', from, to, '--skip-damage', '--keep'])).toString()).toBe(
    `${to}: moved 1 item, 5 bytes; 1 was there already; 1 damaged item lost\n`,
  )
  const json = (await ok(['migrate', from, to, '--skip-damage', '--json'])).toString()
  expect(JSON.parse(json)).toMatchObject({ items: 0, before: 2, damaged: 1, missed: 0 })
  expect((await ok(['consume', to, '--drain'])).toString()).toBe('one\nthree\n')
})

test('damage in a ring of format 1 is not to be stepped over, and it says so', async () => {
  using folder = temporaryFolder()
  const [from, to] = [folder.file('old'), folder.file('new')]
  await ok(['create', from, '--format', '1', '--size', '64KiB'])
  await ok(['produce', from], 'one\ntwo\n')
  damage(from, 1536 + 8 + 2)
  const stopped = await sbr(['migrate', from, to, '--size', '64KiB', '--skip-damage'])
  expect(stopped.code).toBe(1)
  expect(stopped.stderr).toContain('In format 1 nothing behind it can be found')
  expect(stopped.stderr).toContain(`sbr create ${from} --format 1 --erase --force`)
  expect(stopped.stderr).not.toContain('run it again')
})

test('says what it waits for: room in NEW, or the end of a pause', async () => {
  using folder = temporaryFolder()
  const [from, to] = [folder.file('old'), folder.file('new')]
  await ok(['create', from, '--size', '1MiB'])
  await ok(['produce', from], numbers(1, 20_000))
  await using migrating = start(['migrate', from, to, '--size', '64KiB'])
  await migrating.complained((stderr) =>
    stderr.includes(`${to} is full or suspended; waiting until a consumer makes room`),
  )
  migrating.child.kill('SIGINT')
  const ended = await migrating.ended
  expect(ended.code).toBe(130)
  expect(ended.stderr).toMatch(/Items moved so far: [\d,]+; run it again to go on/)

  await sbr(['suspend', to, '--timeout', '0'])
  await using waiting = start(['migrate', from, to])
  await waiting.complained((stderr) => stderr.includes(`${to} is suspended; waiting until`))
  waiting.child.kill('SIGINT')
  expect((await waiting.ended).code).toBe(130)
})
