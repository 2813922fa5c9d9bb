import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { deadLetters } from '../../src/codec/dead-letter.ts'
import { Producer, RingWriter } from '../../src/index.ts'
import { inspectRing } from '../../src/tools.ts'
import { SEED } from '../helpers/seed.ts'
import { randomFrom } from './items.mjs'
import { fateOf, indexOf, keyOf, taskOf } from './tasks.mjs'

/** How a run has its items handled. */
export interface WorkRun {
  readonly name: string
  readonly format: 1 | 2
  readonly keys: boolean
  readonly lazyAck: boolean
  readonly maxUnacked: number
  readonly letters: 'ring' | 'function'
  readonly requeues: boolean
  readonly concurrency: number
}

const COMMON = { keys: false, lazyAck: false, requeues: false, concurrency: 16 } as const

const WORK_RUNS: readonly WorkRun[] = [
  { ...COMMON, name: 'keys', format: 2, keys: true, maxUnacked: 1000, letters: 'ring' },
  { ...COMMON, name: 'lazyAck', format: 2, lazyAck: true, maxUnacked: 65_536, letters: 'function' },
  { ...COMMON, name: 'requeueTo', format: 2, maxUnacked: 8, letters: 'ring', requeues: true },
  { ...COMMON, name: 'format 1', format: 1, keys: true, maxUnacked: 50, letters: 'function' },
]

type Said = {
  readonly event: 'begin' | 'done' | 'dead'
  readonly index: number
  readonly mayHaveRun?: boolean
}

const KILLS = 20

/** Tests each run with so many items. */
export function testKilledWorkers(items: number): void {
  test.each(WORK_RUNS)(
    'killed workers lose no item, and keep the order of keys: $name',
    async (run) => {
      const folder = mkdtempSync(join(tmpdir(), 'sbr-work-'))
      try {
        await workUnderKills(folder, run, items)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )
}

/**
 * Has workers handle all items of a ring, and kills them again and again.
 * @throws {Error} an item was lost, made up, handled out of order, or twice without need
 */
async function workUnderKills(folder: string, run: WorkRun, items: number): Promise<void> {
  const ring = `${folder}/ring`
  const letters = `${folder}/letters`
  await using device = await FileBlockDevice.create(ring, { sizeBytes: (2 << 20) + items * 256 })
  await using failed = await FileBlockDevice.create(letters, { sizeBytes: 2 << 20 })
  await Producer.create(device, { format: run.format })
  await Producer.create(failed)
  {
    await using writer = await RingWriter.open(device)
    for (let at = 0; at < items; at += 1000) {
      const some = Array.from({ length: Math.min(1000, items - at) }, (_, n) => taskOf(at + n))
      await writer.pushMany(some)
    }
  }
  const random = randomFrom(SEED + WORK_RUNS.indexOf(run))
  const begun = new Set<number>()
  const done = new Map<number, number>()
  const dead = new Set<number>()
  let kills = 0
  for (let ended = false; !ended; ) {
    const after = kills < KILLS ? random(Math.ceil((3 * items) / KILLS)) : Number.POSITIVE_INFINITY
    ended = await live(
      [ring, letters, JSON.stringify(run)],
      after,
      lifeOf(run, { begun, done, dead }),
    )
    if (!ended) kills++
  }
  for (const { item } of await itemsIn(failed)) {
    dead.add(indexOf((await deadLetters.decode(item)).bytes))
  }
  for (let index = 0; index < items; index++) {
    const expected = fateOf(index) === 'dead' ? [false, true] : [true, false]
    expect([done.has(index), dead.has(index)], `item ${index}`).toEqual(expected)
  }
  expect(done.size + dead.size).toBe(items)
  expect((await inspectRing(device)).usedBytes).toBe(0)
  const repeats = [...done.values()].reduce((sum, times) => sum + times - 1, 0)
  console.log(
    `process, ${run.name}: ${items} items, ${kills} kills, ${repeats} handled again (seed ${SEED})`,
  )
  expect(kills).toBeGreaterThan(KILLS / 4)
}

/** Checks what one worker says. */
function lifeOf(
  run: WorkRun,
  all: {
    readonly begun: Set<number>
    readonly done: Map<number, number>
    readonly dead: Set<number>
  },
): (said: Said) => void {
  const lastOf = new Map<number, number>()
  const ended = new Set<number>()
  return ({ event, index, mayHaveRun }) => {
    if (event === 'dead') all.dead.add(index)
    else if (event === 'done') {
      // An item and its copy at the end of the ring can both be there after a kill.
      if (ended.has(index) && !run.requeues)
        throw new Error(`item ${index} was handled twice in a life`)
      ended.add(index)
      all.done.set(index, (all.done.get(index) ?? 0) + 1)
    } else {
      if (mayHaveRun === false && all.begun.has(index)) {
        throw new Error(`item ${index} is said not to have been handled`)
      }
      all.begun.add(index)
      const key = run.keys ? keyOf(index) : undefined
      if (key === undefined) return
      const last = lastOf.get(key) ?? -1
      if (index < last) throw new Error(`item ${index} was handled after item ${last} of its key`)
      lastOf.set(key, index)
    }
  }
}

/** Runs a worker until it has said so much, and kills it. Answers whether it ended by itself. */
async function live(
  args: readonly string[],
  lines: number,
  hear: (said: Said) => void,
): Promise<boolean> {
  const script = fileURLToPath(new URL('worker.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = once(child, 'close')
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  let heard = 0
  try {
    for await (const line of createInterface(child.stdout)) {
      hear(JSON.parse(line))
      if (++heard === lines) child.kill('SIGKILL')
    }
  } finally {
    child.kill('SIGKILL')
    await closed
  }
  if (child.exitCode !== 0 && child.signalCode !== 'SIGKILL') {
    throw new Error(`the worker ended by itself: ${errors}`)
  }
  return child.exitCode === 0
}

async function itemsIn(device: FileBlockDevice): Promise<{ readonly item: Uint8Array }[]> {
  const items: { readonly item: Uint8Array }[] = []
  for await (const item of (await inspectRing(device)).items()) items.push(item)
  return items
}
