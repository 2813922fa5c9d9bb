import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { Consumer, Producer } from '../../src/index.ts'
import { Items } from '../crash/items.mjs'
import { Ledger, type Message } from '../crash/ledger.ts'
import { needs } from '../helpers/interop.ts'
import { attachProducer } from '../helpers/ring.ts'
import { straceProblem } from '../helpers/strace.ts'

const { SBR_FAULTS = '5' } = process.env
/** How many calls of a kind are made to fail, each in a run of its own: spread over all that there are. */
const faults = Number(SBR_FAULTS)
const SEED = 1
const COUNT = 30
const RING_BYTES = 128 << 10
const TIMEOUT_MS = 240_000
const CHILD_TIMEOUT_MS = 30_000
const WRITES = ['pwrite64', 'pwritev', 'fdatasync', 'fsync']
const READS = ['pread64', 'preadv']
/** Reads of what is in memory. It is never there, so that each is followed by one of those above. */
const AT_ONCE = 'preadv2'

/** What the program with both sides says. */
type Said =
  | (Message & { readonly role: 'producer' | 'consumer' })
  | {
      readonly role: 'producer' | 'consumer'
      readonly event: 'failed'
      readonly code: string
      readonly later: readonly string[]
    }

interface Ring {
  readonly format: 1 | 2
  readonly durability: 'dsync' | 'flush'
}

/** What came of a run in which a call failed. */
interface Outcome {
  /** Who was told, and what their handles answered later. */
  readonly failed: readonly Extract<Said, { event: 'failed' }>[]
  /** Items that were in the ring though their push was not acknowledged. */
  readonly extras: number
  readonly repeats: number
}

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sbr-faults-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

for (const format of [1, 2] as const) {
  for (const durability of ['dsync', 'flush'] as const) {
    test(`a failing system call loses nothing acknowledged: format ${format}, ${durability}`, {
      timeout: TIMEOUT_MS,
    }, async (context) => {
      needs(context, straceProblem())
      await failEach({ format, durability })
    })
  }
}

/** Makes one call fail in each run: some of every kind that both sides make. */
async function failEach(ring: Ring): Promise<void> {
  const calls = await countCalls(ring)
  let told = 0
  let extras = 0
  let repeats = 0
  let runs = 0
  for (const [call, count] of calls) {
    for (const nth of spread(count, faults)) {
      const outcome = await run(ring, `inject=${call}:error=EIO:when=${nth}`)
      for (const { code, later } of outcome.failed) {
        expect({ call, nth, code }).toEqual({ call, nth, code: 'BLOCK_IO' })
        // A handle whose write failed does not know what the device holds; one that could not read knows as much as
        // before.
        const answer = WRITES.includes(call) ? 'RING_POISONED' : 'ok'
        expect({ call, nth, later }).toEqual({ call, nth, later: later.map(() => answer) })
      }
      // The first of each kind is made on attaching.
      if (nth === 1) expect({ call, told: outcome.failed.length }).not.toEqual({ call, told: 0 })
      if (outcome.failed.length > 0) told++
      extras += outcome.extras
      repeats += outcome.repeats
      runs++
    }
  }
  // Not all are told: detaching never fails, and how often a role looks depends on time.
  expect(told).toBeGreaterThan(calls.size)
  const kinds = [...calls].map(([call, count]) => `${count} ${call}`).join(', ')
  console.log(
    `format ${ring.format}, ${ring.durability}: of ${kinds}, ${runs} made to fail one at a time: ${told} told to a ` +
      `caller, ${extras} items not acknowledged but kept, ${repeats} delivered again`,
  )
}

/** Some numbers from 1 to `count`, the first and the last among them. */
function spread(count: number, some: number): readonly number[] {
  if (count <= some) return Array.from({ length: count }, (_, index) => index + 1)
  return Array.from({ length: some }, (_, index) =>
    Math.round(1 + (index * (count - 1)) / (some - 1)),
  )
}

/** How many system calls of each kind move the ring's data when nothing fails. */
async function countCalls(ring: Ring): Promise<ReadonlyMap<string, number>> {
  const { failed } = await run(ring, `trace=${[...WRITES, ...READS, AT_ONCE]}`)
  expect(failed).toEqual([])
  const log = readFileSync(join(directory, 'strace'), 'utf8')
  const counts = new Map<string, number>()
  for (const [, call = ''] of log.matchAll(/^\d+ +(\w+)\(/gm)) {
    if (call !== AT_ONCE) counts.set(call, (counts.get(call) ?? 0) + 1)
  }
  return counts
}

/** Runs both sides in a process under strace, and then finds in the ring what has to be there. */
async function run({ format, durability }: Ring, expression: string): Promise<Outcome> {
  const path = join(directory, 'ring')
  rmSync(path, { force: true })
  await using device = await FileBlockDevice.create(path, { sizeBytes: RING_BYTES })
  await Producer.create(device, { format })
  const script = fileURLToPath(new URL('both-sides.mjs', import.meta.url))
  // Calls are counted thread by thread, so there is only one for all of them.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' }
  const trace = [
    '-f',
    '--seccomp-bpf',
    '-qq',
    '-e',
    'signal=none',
    '-P',
    path,
    '-o',
    join(directory, 'strace'),
  ]
  const child = [script, path, SEED, COUNT, format, durability].map(String)
  const { stdout } = await promisify(execFile)(
    'strace',
    [
      ...trace,
      '-e',
      `inject=${AT_ONCE}:error=EAGAIN`,
      '-e',
      expression,
      process.execPath,
      ...child,
    ],
    { env, timeout: CHILD_TIMEOUT_MS },
  )
  const said: Said[] = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
  const ledger = new Ledger()
  for (const message of said) {
    if (message.event !== 'failed') ledger[message.role](message)
  }
  return {
    failed: said.filter((message) => message.event === 'failed'),
    ...(await takeAll(device, format, ledger)),
  }
}

/** Attaches anew, hands over what is left, and checks it against the ledger. */
async function takeAll(
  device: FileBlockDevice,
  format: 1 | 2,
  ledger: Ledger,
): Promise<{ readonly extras: number; readonly repeats: number }> {
  const items = new Items(SEED, COUNT, format)
  await using producer = await attachProducer(device)
  await using consumer = await Consumer.attach(device)
  ledger.betweenProducers()
  let pushed = items.before(producer.position)
  const extras = pushed - ledger.pushed
  ledger.producer({ event: 'start', next: pushed })
  let taken = items.before(consumer.position)
  ledger.consumer({ event: 'start', next: taken })
  while (taken < COUNT) {
    if (pushed < COUNT) {
      ledger.producer({ event: 'begin', next: pushed + 1 })
      const result = await producer.append([items.item(pushed)])
      if (result.status === 'ok') ledger.producer({ event: 'done', next: ++pushed })
      if (result.status === 'ok') continue
    }
    const popped = await consumer.popMany()
    expect(popped.length).toBeGreaterThan(0)
    for (const { item, position } of popped) {
      expect(Buffer.from(item).equals(items.item(taken))).toBe(true)
      ledger.consumer({ event: 'delivered', from: taken, next: taken + 1 })
      ledger.consumer({ event: 'begin', next: ++taken })
      await consumer.advance(position)
      ledger.consumer({ event: 'done', next: taken })
    }
  }
  ledger.end(COUNT)
  return { extras, repeats: ledger.repeats }
}
