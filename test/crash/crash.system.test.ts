import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { NbdBlockDevice } from '../../src/block/nbd/index.ts'
import { Producer } from '../../src/index.ts'
import { inspectRing } from '../../src/tools.ts'
import { needs } from '../helpers/interop.ts'
import { attachLoop, loopProblem } from '../helpers/loop.ts'
import { serverProblem, startNbdkit } from '../helpers/nbd-servers.ts'
import { fetchRuntimes } from '../helpers/runtimes.ts'
import { SEED } from '../helpers/seed.ts'
import { Items } from './items.mjs'
import { Ledger } from './ledger.ts'
import { planKills, runSide, type Side } from './side.ts'

const { SBR_CRASH_ITEMS } = process.env
/** How many items go through a ring of each format. */
const ITEMS = { 1: Number(SBR_CRASH_ITEMS ?? 12_000), 2: Number(SBR_CRASH_ITEMS ?? 4000) }
/** The same through an export, of either format: what is behind it is the file of the first run. */
const NBD_ITEMS = Number(SBR_CRASH_ITEMS ?? 2000)
const RING_BYTES = 1 << 20
/** Alone it takes half a minute or one: only what hangs takes so long. */
const TIMEOUT_MS = 900_000
const MAX_KILLS = 40

/** What goes through a ring. */
interface Run {
  readonly format: 1 | 2
  readonly items: number
  /** What runs each side, in turn. Default: what runs this. */
  readonly commands?: Readonly<Record<Side['role'], Side['commands']>>
}

let directory: string

beforeEach(() => {
  const built = fileURLToPath(new URL('../../dist/index.js', import.meta.url))
  if (!existsSync(built)) throw new Error('this test uses the built package: npm run build')
  directory = mkdtempSync(join(tmpdir(), 'sbr-crash-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

describe.each([1, 2] as const)(
  'format %i: killed sides lose, reorder and invent nothing',
  (format) => {
    const run = { format, items: ITEMS[format] }

    test('on a file', { timeout: TIMEOUT_MS }, async () => {
      const file = join(directory, 'ring')
      await (await FileBlockDevice.create(file, { sizeBytes: RING_BYTES })).disconnect()
      await torment('file', await FileBlockDevice.open(file), run)
    })

    test('on a loop device', { timeout: TIMEOUT_MS }, async (context) => {
      needs(context, loopProblem())
      const file = join(directory, 'disk')
      await (await FileBlockDevice.create(file, { sizeBytes: RING_BYTES })).disconnect()
      using loop = attachLoop(file)
      await torment('loop device', await FileBlockDevice.open(loop.path), run)
    })

    test('on an export of nbdkit', { timeout: TIMEOUT_MS }, async (context) => {
      needs(context, serverProblem('nbdkit'))
      const file = join(directory, 'disk')
      await (await FileBlockDevice.create(file, { sizeBytes: RING_BYTES })).disconnect()
      // With several threads a connection, nbdkit 1.32 aborts when a client is killed: one closes the socket while
      // another writes a reply ("raw_send_socket: Assertion `sock >= 0' failed").
      await using server = await startNbdkit(directory, ['--threads=1', 'file', file])
      const device = await NbdBlockDevice.open(server.uri())
      await torment('nbdkit', device, { format, items: NBD_ITEMS })
    })
  },
)

test('items and roles are handed over from one runtime to another, again and again', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const { runtimes, problem } = await fetchRuntimes()
  needs(context, problem)
  const producer = runtimes.map(({ command }) => command)
  // Node 20 to 26, Bun, Deno, and the other way round: neither side has the runtime of the other for long.
  const commands = { producer, consumer: producer.toReversed() }
  const file = join(directory, 'ring')
  await (await FileBlockDevice.create(file, { sizeBytes: RING_BYTES })).disconnect()
  const device = await FileBlockDevice.open(file)
  await torment('file, all runtimes', device, { format: 2, items: NBD_ITEMS, commands })
})

/** Hands all items over through a ring while both sides are killed again and again, and disconnects the device. */
async function torment(kind: string, opened: BlockDevice, run: Run): Promise<void> {
  const { format, items } = run
  const kills = killsIn(run)
  await using device = opened
  await Producer.create(device, { format })
  const ledger = new Ledger()
  const started = performance.now()
  const [producerKills, consumerKills] = await both(
    {
      ...sideOf('producer', device.name, run, SEED + 1),
      progress: () => ledger.pushed,
      beforeStart: () => ledger.betweenProducers(),
      hear: (message) => ledger.producer(message),
    },
    {
      ...sideOf('consumer', device.name, run, SEED + 2),
      progress: () => ledger.advanced,
      beforeStart: () => undefined,
      hear: (message) => ledger.consumer(message),
    },
  )
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  ledger.end(items)
  const { usedBytes, producer } = await inspectRing(device)
  expect(usedBytes).toBe(0)
  expect(new Items(SEED, items, format).before(producer.position)).toBe(items)
  console.log(
    `format ${format}, ${kind}: ${items} items, producer killed ${producerKills} times, ` +
      `consumer ${consumerKills} times, ${ledger.repeats} items repeated, ${seconds} s (seed ${SEED})`,
  )
  // The last ones planned may find that all is done.
  expect(Math.min(producerKills, consumerKills)).toBeGreaterThanOrEqual(Math.floor(kills * 0.75))
}

/** Kills planned for each side: fewer in a short run. */
function killsIn({ items }: Run): number {
  return Math.min(MAX_KILLS, Math.ceil(items / 500))
}

function sideOf(
  role: Side['role'],
  path: string,
  run: Run,
  sideSeed: number,
): Pick<Side, 'role' | 'args' | 'kills' | 'seed' | 'commands'> {
  const { format, items } = run
  const commands = run.commands?.[role] ?? [[process.execPath]]
  const args = [path, String(format), String(SEED), String(items)]
  const kills = planKills(sideSeed, killsIn(run), items)
  return { role, args, kills, seed: sideSeed, commands }
}

/** Runs both sides; when one fails, the other is ended, and the first failure counts. */
async function both(producer: Side, consumer: Side): Promise<[number, number]> {
  const failed = new AbortController()
  const signal = AbortSignal.any([failed.signal, AbortSignal.timeout(TIMEOUT_MS - 10_000)])
  const run = async (side: Side): Promise<number> => {
    try {
      return await runSide(side, signal)
    } catch (error) {
      failed.abort(error)
      throw error
    }
  }
  const ends = await Promise.allSettled([run(producer), run(consumer)])
  if (failed.signal.aborted) throw failed.signal.reason
  return ends.map((end) => (end.status === 'fulfilled' ? end.value : 0)) as [number, number]
}
