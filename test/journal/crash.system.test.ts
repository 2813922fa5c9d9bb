import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { SEED } from '../helpers/seed.ts'
import { checkHistory, type Happened } from './history.ts'

const child = fileURLToPath(new URL('crash-child.mjs', import.meta.url))
const built = fileURLToPath(new URL('../../dist/journal/index.js', import.meta.url))

const { SBR_JOURNAL_KILLS = '60' } = process.env
const KILLS = Number(SBR_JOURNAL_KILLS)
const LANES = 4
/** Small, for each format. */
const SIZE_BYTES = { 1: 16 * 512, 2: 64 * 1024 } as const
const IDS_PER_LIFE = 100_000

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sbr-journal-crash-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A small seeded generator (mulberry32): numbers from 0 to 1. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A journal on a file that is worked on by one child after another. */
class Lane {
  kills = 0
  readonly #path: string
  readonly #sideFile: string
  readonly #random: () => number
  readonly #format: 1 | 2
  #lives = 0

  constructor(name: string, seed: number, format: 1 | 2) {
    this.#format = format
    this.#path = join(folder, `${name}.img`)
    this.#sideFile = join(folder, `${name}.log`)
    this.#random = generator(seed)
  }

  async create(): Promise<void> {
    const format = this.#format
    await using device = await FileBlockDevice.create(this.#path, { sizeBytes: SIZE_BYTES[format] })
    await Producer.create(device, { format })
  }

  /** Starts a child, and kills it at a random time: mostly while it works, at times while it starts. */
  async killOne(): Promise<void> {
    const running = this.#start('run')
    const exited = once(running, 'exit')
    const starting = this.#random() < 0.15
    const delayMs = this.#random() * (starting ? 80 : 60)
    if (!starting) await Promise.race([once(running.stdout, 'data'), exited])
    await new Promise((resolve) => setTimeout(resolve, delayMs))
    running.kill('SIGKILL')
    const [code, signal] = await exited
    expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' })
    this.kills++
  }

  /** Lets a last child perform what is left, and checks everything that ever happened. */
  async finish(): Promise<readonly Happened[]> {
    const [code] = await once(this.#start('finish'), 'exit')
    expect(code).toBe(0)
    const history = readFileSync(this.#sideFile, 'utf8').trimEnd().split('\n').map(parse)
    checkHistory(history)
    await using device = await FileBlockDevice.open(this.#path)
    expect((await inspectRing(device)).usedBytes).toBe(0)
    return history
  }

  /** Lets a child push, and then end by itself. */
  async leave(): Promise<readonly Happened[]> {
    const [code] = await once(this.#start('leave'), 'exit')
    expect(code).toBe(0)
    return this.finish()
  }

  #start(mode: 'run' | 'finish' | 'leave') {
    const firstId = String(this.#lives++ * IDS_PER_LIFE)
    return spawn(process.execPath, [child, this.#path, this.#sideFile, firstId, mode], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  }
}

function parse(line: string): Happened {
  const [kind, id] = line.split(' ')
  return { kind: kind as Happened['kind'], id: Number(id) }
}

test('a process killed at any time loses no acknowledged operation', async () => {
  if (!existsSync(built)) throw new Error('this test uses the built package: npm run build')
  const lanes = Array.from({ length: LANES }, (_, index) => {
    return new Lane(`lane-${index}`, SEED + index, index % 2 === 0 ? 1 : 2)
  })
  const histories = await Promise.all(
    lanes.map(async (lane) => {
      await lane.create()
      while (lane.kills < KILLS / LANES) await lane.killOne()
      return lane.finish()
    }),
  )
  const count = (wanted: Happened['kind']): number =>
    histories.flat().filter(({ kind }) => kind === wanted).length
  const kills = lanes.reduce((sum, lane) => sum + lane.kills, 0)
  // An id alone is not enough: each lane counts for itself.
  const runs = histories.flatMap((history, lane) =>
    history.filter(({ kind }) => kind === 'run').map(({ id }) => `${lane} ${id}`),
  )
  const again = runs.length - new Set(runs).size
  console.log(
    `${kills} kills, ${count('push')} pushed, ${count('ack')} acknowledged, ${runs.length} performed, ${again} of them again`,
  )
  // Otherwise the kills hit nothing.
  expect(count('push')).toBeGreaterThan(count('ack'))
  expect(again).toBeGreaterThan(0)
})

test.each([1, 2] as const)(
  'a process ends by itself, after all was performed, format %i',
  async (format) => {
    const lane = new Lane(`left-${format}`, SEED, format)
    await lane.create()
    const history = await lane.leave()
    expect(history.at(-1)).toEqual({ kind: 'done', id: 0 })
  },
)
