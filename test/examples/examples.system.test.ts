import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { deadLetters } from '../../src/codec/dead-letter.ts'
import { envelope, json } from '../../src/codec/index.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { temporaryFolder } from '../cli/cli.ts'
import { collect } from '../helpers/collect.ts'

const example = (name: string): string =>
  fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))

test('the pipeline of npm start loses no line', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [example('pipeline.mjs')])
  expect(stdout).toMatch(/Killed the worker in the middle/)
  expect(stdout).toMatch(/was given up after 3 attempts \(no handler can do this one\)/)
  expect(stdout).toMatch(/The output is the input, byte for byte/)
})

interface Service extends AsyncDisposable {
  readonly child: ReturnType<typeof spawn>
  /** Posts an order, and answers the status and when to come again. */
  order(body: unknown): Promise<readonly [number, string | null]>
  stats(): Promise<Record<string, number>>
}

async function serve(path: string): Promise<Service> {
  const child = spawn(process.execPath, [example('service.mjs'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const [chunk] = await Promise.race([once(child.stdout, 'data'), exited])
  const port = /port (\d+)/.exec(String(chunk))?.[1]
  if (port === undefined) throw new Error(`the service does not listen: ${chunk}`)
  const url = `http://127.0.0.1:${port}/`
  return {
    child,
    order: async (body) => {
      const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
      await response.arrayBuffer()
      return [response.status, response.headers.get('retry-after')]
    },
    stats: async () => (await fetch(url)).json() as Promise<Record<string, number>>,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

function delivered(path: string): number[] {
  const file = `${path}.delivered`
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line).n)
}

test('the service delivers every order that it accepted, though it is killed', async () => {
  using folder = temporaryFolder()
  const path = folder.file('orders')
  const accepted: number[] = []
  let next = 0
  for (let lives = 0; lives < 4; lives++) {
    await using service = await serve(path)
    const customers = Array.from({ length: 10 }, async () => {
      for (let orders = 0; orders < 30; orders++) {
        const n = next++
        const [status] = await service.order({ n }).catch(() => [0])
        if (status === 202) accepted.push(n)
        if (n === 150 + 300 * lives && lives < 3) service.child.kill('SIGKILL')
      }
    })
    await Promise.all(customers)
    if (lives < 3) continue
    while ((await service.stats())['waitingItems'] !== 0) await sleep(20)
    const exited = once(service.child, 'exit')
    service.child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  }
  expect(accepted.length).toBeGreaterThan(300)
  const found = new Set(delivered(path))
  expect(accepted.filter((n) => !found.has(n))).toEqual([])
})

test('the service answers 503 while its ring is full, and gives up what it can never deliver', async () => {
  using folder = temporaryFolder()
  const path = folder.file('orders')
  // The next system is down.
  mkdirSync(`${path}.delivered`)
  await using service = await serve(path)
  const text = 'x'.repeat(60_000)
  const statuses: (readonly [number, string | null])[] = []
  for (let n = 0; n < 400 && statuses.at(-1)?.[0] !== 503; n++) {
    statuses.push(await service.order({ n, text }))
  }
  expect(statuses.at(-1)).toEqual([503, '1'])
  expect(new Set(statuses.slice(0, -1).map(([status]) => status))).toEqual(new Set([202]))
  rmdirSync(`${path}.delivered`)
  while ((await service.order({ n: -1, valid: false }))[0] !== 202) await sleep(50)
  while ((await service.stats())['waitingItems'] !== 0) await sleep(50)
  const exited = once(service.child, 'exit')
  service.child.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
  await using letters = await FileBlockDevice.open(`${path}.failed`)
  const stored = await collect((await inspectRing(letters)).items())
  const last = await deadLetters.decode(stored.at(-1)?.item ?? new Uint8Array())
  expect(last.reason).toBe('the order is not valid')
  expect(await envelope(json()).decode(last.bytes)).toMatchObject({ item: { n: -1 } })
  // Each other one was delivered, or is among the dead letters.
  const given = await Promise.all(stored.map(({ item }) => deadLetters.decode(item)))
  expect(new Set(delivered(path)).size + given.length - 1).toBe(statuses.length - 1)
})
