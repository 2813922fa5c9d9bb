import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Running, start, temporaryFolder } from '../cli/cli.ts'
import { makeRing } from '../cli/tools.ts'

/** Serves a ring with an item, and the address that is printed. */
async function served(
  path: string,
  ...flags: readonly string[]
): Promise<AsyncDisposable & { readonly url: URL; readonly running: Running }> {
  await makeRing(path, 'secret\n')
  const running = start(['serve', path, '--listen', '127.0.0.1:0', ...flags])
  let printed = ''
  await running.printed((stdout) => {
    printed = stdout.toString()
    return printed.endsWith('\n')
  })
  return {
    url: new URL(printed.trim()),
    running,
    [Symbol.asyncDispose]: running[Symbol.asyncDispose],
  }
}

async function ask(
  url: URL,
  path: string,
  token?: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` }
  const response = await fetch(new URL(path, url), { headers })
  return { status: response.status, body: await response.text() }
}

const ITEMS = '/api/items?ring=0'

test('even on this machine, items need the token that is printed', async () => {
  using folder = temporaryFolder()
  await using server = await served(folder.file('ring'), '--show-items')
  const token = server.url.searchParams.get('token') ?? ''
  expect(token).toMatch(/^[\w-]{32}$/)
  for (const path of ['/', ITEMS, '/metrics', '/api/events']) {
    const { status, body } = await ask(server.url, path)
    expect([status, body.includes('secret')], path).toEqual([401, false])
  }
  expect((await ask(server.url, ITEMS, `${token}x`)).status).toBe(401)
  const { status, body } = await ask(server.url, ITEMS, token)
  const hex = Buffer.from('secret').toString('hex')
  expect([status, JSON.parse(body)]).toMatchObject([200, [{ number: 1, hex }]])
})

test('a token that is given is not printed', async () => {
  using folder = temporaryFolder()
  const file = folder.file('token')
  writeFileSync(file, 'the-token-of-this-test\n')
  await using server = await served(folder.file('ring'), '--show-items', '--token-file', file)
  expect(server.url.search).toBe('')
  expect((await ask(server.url, ITEMS)).status).toBe(401)
  expect((await ask(server.url, ITEMS, readFileSync(file, 'utf8').trim())).status).toBe(200)
})

test('without --show-items the page needs no token here and has no items; SIGTERM ends it', async () => {
  using folder = temporaryFolder()
  await using server = await served(folder.file('ring'))
  expect(server.url.search).toBe('')
  expect((await ask(server.url, '/')).status).toBe(200)
  const { status, body } = await ask(server.url, ITEMS)
  expect([status, body.includes('secret')]).toEqual([403, false])
  server.running.child.kill('SIGTERM')
  expect(await server.running.ended).toMatchObject({ code: 0, signal: null, stderr: '' })
})
