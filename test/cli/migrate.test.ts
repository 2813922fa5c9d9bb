import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { diagnose, jsonError, numbers, ok, sbr, temporaryFolder } from './cli.ts'

test('moves a ring of format 1 to a larger one of format 2, which it makes', async () => {
  using folder = temporaryFolder()
  const from = folder.file('old')
  const to = folder.file('new')
  await ok(['create', from, '--format', '1', '--size', '64KiB'])
  await ok(['produce', from], numbers(1, 100))
  const flags = ['--size', '1MiB', '--name', 'orders']
  const kept = await ok(['migrate', from, to, ...flags, '--keep', '--json'])
  expect(JSON.parse(kept.toString())).toEqual({ from, to, items: 100, bytes: 192, before: 0 })
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
  expect(jsonError(refused)).toMatchObject({ code: 'RING_NOT_BLANK' })
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
})
