import { truncateSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { jsonError, ok, sbr, start, temporaryFolder } from './cli.ts'

interface Listed {
  readonly rings: readonly { readonly name: string; readonly sizeBytes: number }[]
}

async function listed(path: string): Promise<Listed> {
  return JSON.parse((await ok(['pool', 'list', path, '--json'])).toString()) as Listed
}

async function code(args: readonly string[]): Promise<unknown> {
  const ended = await sbr([...args, '--json'])
  return ended.code === 0 ? 'done' : jsonError(ended)['code']
}

test('a pool holds rings for every command', { timeout: 120_000 }, async () => {
  using folder = temporaryFolder()
  const path = folder.file('queues.img')
  expect((await ok(['pool', 'create', path, '--size', '4MiB'])).toString()).toContain('made a pool')
  await ok(['pool', 'add', path, 'orders', '--size', '64KiB'])
  await ok(['pool', 'add', path, 'old one', '--size', '64KiB', '--format', '1'])
  await ok(['produce', `${path}#orders`], 'one\ntwo\n')
  expect((await ok(['consume', `${path}#orders`, '--count', '1'])).toString()).toBe('one\n')
  await ok(['move', `${path}#orders`, `${path}#old one`])
  const uri = `${pathToFileURL(path).href}#old%20one`
  expect((await ok(['consume', uri, '--drain'])).toString()).toBe('two\n')
  expect((await ok(['check', `${path}#orders`, uri])).toString()).toContain('ok')
  const info = JSON.parse((await ok(['device', 'info', `${path}#orders`, '--json'])).toString())
  expect(info).toMatchObject({ kind: 'file', sizeBytes: 65_536, holds: { kind: 'ring' } })

  expect(await code(['produce', path])).toBe('RING_IS_POOL')
  expect(await code(['create', path])).toBe('RING_IS_POOL')
  expect(await code(['create', path, '--erase'])).toBe('RING_NOT_BLANK')
  expect(await code(['device', 'erase', path])).toBe('CLI_NOT_BLANK')
  expect(await code(['verify', `${path}#other`])).toBe('RING_NOT_FOUND')
  expect(await code(['move', `${path}#orders`, `${path}#orders`])).toBe('CLI_USAGE')
  await ok(['produce', `${path}#orders`], 'left\n')
  expect(await code(['pool', 'remove', path, 'orders'])).toBe('RING_NOT_EMPTY')
  await using consumer = start(['consume', `${path}#orders`])
  await consumer.printed((stdout) => stdout.includes('left\n'))
  for (const command of [
    ['pool', 'remove', path, 'orders', '--force'],
    ['device', 'erase', path, '--force'],
    ['create', path, '--erase', '--force'],
  ]) {
    expect(await code(command)).toBe('BLOCK_CLAIMED')
  }
  consumer.child.kill('SIGTERM')
  await consumer.ended
  await ok(['pool', 'remove', path, 'orders'])
  truncateSync(path, 5 << 20)
  expect((await ok(['pool', 'grow', path])).toString()).toContain('1,048,576 more')
  expect((await listed(path)).rings).toMatchObject([{ name: 'old one', sizeBytes: 65_536 }])
})

test('a file whose name has a # is that file', { timeout: 60_000 }, async () => {
  using folder = temporaryFolder()
  const path = folder.file('a#b')
  await ok(['create', path, '--size', '1MiB'])
  await ok(['produce', path], 'item\n')
  writeFileSync(folder.file('a'), '')
  expect((await ok(['consume', path, '--drain'])).toString()).toBe('item\n')
  expect(await code(['verify', `${folder.file('a')}#c`])).toBe('RING_NOT_INITIALISED')
  expect(await code(['verify', folder.file('none#c')])).toBe('BLOCK_OPEN')
})
