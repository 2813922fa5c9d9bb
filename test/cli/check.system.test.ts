import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startFake } from '../helpers/fake-nbd.ts'
import { ok, sbr, start, temporaryFolder } from './cli.ts'
import { makeRing } from './tools.ts'

test('a ring at work is fine, until the consumer ends or an item has waited too long', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\n')
  const check = ['check', path, '--max-age', '10m', '--max-fill', '80%']
  const before = readFileSync(path)
  expect((await ok(check)).toString()).toMatch(
    new RegExp(`^${path}: ok, 1 item waiting, the oldest for [0-9.]+ m?s, [0-9.]+% full\\n$`),
  )
  const late = await sbr(['check', path, '--max-age', '1ms'])
  expect([late.code, late.stderr]).toEqual([1, 'sbr: 1 of 1 device is not ok (CLI_NOT_OK)\n'])
  expect(late.stdout.toString()).toMatch(
    /: the oldest item has waited [0-9.]+ m?s, more than 1 ms\n$/,
  )
  expect(readFileSync(path).equals(before)).toBe(true)

  const idle = await sbr([...check, '--at-work', 'producer,consumer', '--json'])
  expect(idle.code).toBe(1)
  expect(JSON.parse(idle.stdout.toString())).toMatchObject({
    ...{ device: path, ok: false, format: 2, waitingItems: 1, atWork: [] },
    problems: [
      { what: 'atWork', role: 'producer' },
      { what: 'atWork', role: 'consumer' },
    ],
  })
  await using consumer = start(['consume', path])
  await consumer.printed((stdout) => stdout.includes('one'))
  expect((await ok([...check, '--at-work', 'consumer'])).toString()).toMatch(
    / at work: consumer\n$/,
  )
})

test('each device has a line, in order, and what never answers is given up', async () => {
  using folder = temporaryFolder()
  const [ring, none, socket] = [folder.file('ring'), folder.file('none'), folder.file('socket')]
  await makeRing(ring, 'one\n')
  await using _silent = await startFake(socket, () => new Promise(() => {}))
  const uri = `nbd+unix:///?socket=${socket}`
  const ended = await sbr(['check', uri, ring, none, '--request-timeout', '1s'])
  expect([ended.code, ended.stderr]).toEqual([1, 'sbr: 2 of 3 devices are not ok (CLI_NOT_OK)\n'])
  const [first, second, third] = ended.stdout.toString().split('\n')
  expect(first).toBe(
    `${uri}: ${uri} could not be inspected within 1 s; allow more: --request-timeout`,
  )
  expect(second).toMatch(/ok, 1 item waiting/)
  expect(third).toBe(`${none}: there is no ${none}; check the path, or make it: sbr create ${none}`)
})

test('wrong usage ends with 2', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, '')
  for (const args of [
    [],
    [path, path],
    [path, '--max-fill', '80'],
    [path, '--max-age', '5 minutes'],
    [path, '--at-work', 'consumers'],
    [path, '--at-work', ''],
  ]) {
    expect((await sbr(['check', ...args])).code, args.join(' ')).toBe(2)
  }
})
