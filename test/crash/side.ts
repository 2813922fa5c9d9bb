import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { randomFrom } from './items.mjs'
import type { Message } from './ledger.ts'

/** When to kill a side: once it has come to an item, and then some time later. */
export interface Kill {
  readonly item: number
  readonly afterMs: number
}

/** A side of the ring, which is killed and started again. */
export interface Side {
  readonly role: 'producer' | 'consumer'
  /** What its program is given before the number of its life. */
  readonly args: readonly string[]
  readonly kills: readonly Kill[]
  readonly seed: number
  /** What its program is run by, in turn: each life by the next. */
  readonly commands: readonly (readonly string[])[]
  /** The item that it has come to. */
  progress(): number
  beforeStart(): void
  hear(message: Message): void
}

type Child = ChildProcessByStdio<null, Readable, Readable>

/** Kills all over the run: mostly in the middle of work, sometimes soon after the start. */
export function planKills(seed: number, kills: number, items: number): Kill[] {
  const random = randomFrom(seed)
  let item = 0
  return Array.from({ length: kills }, (_, kill) => {
    if (kill > 0 && random(4) === 0) return { item, afterMs: random(250) }
    item = Math.floor((items * 0.95 * (kill + random(1000) / 1000)) / kills)
    return { item, afterMs: random(8) }
  })
}

/** Runs a side until it has done all its work. Answers how often it was killed. */
export async function runSide(side: Side, signal: AbortSignal): Promise<number> {
  const random = randomFrom(side.seed)
  for (let life = 0; ; life++) {
    side.beforeStart()
    const script = fileURLToPath(new URL(`${side.role}.mjs`, import.meta.url))
    const [program = '', ...flags] = side.commands[life % side.commands.length] ?? []
    const child = spawn(program, [...flags, script, ...side.args, String(life)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    if (!(await live(child, side, side.kills[life], signal))) return life
    await sleep(random(40), undefined, { signal })
  }
}

/** Follows one life. Answers whether it was killed. */
async function live(
  child: Child,
  side: Side,
  kill: Kill | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const end = (): void => void child.kill('SIGKILL')
  const closed = once(child, 'close')
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  let timer: NodeJS.Timeout | undefined
  const killWhenDue = (): void => {
    if (kill !== undefined && side.progress() >= kill.item) timer ??= setTimeout(end, kill.afterMs)
  }
  signal.addEventListener('abort', end)
  try {
    signal.throwIfAborted()
    killWhenDue()
    for await (const line of createInterface(child.stdout)) {
      side.hear(JSON.parse(line))
      killWhenDue()
    }
  } finally {
    clearTimeout(timer)
    if (child.stdout.readableEnded === false) end()
    await closed
    signal.removeEventListener('abort', end)
  }
  signal.throwIfAborted()
  if (child.exitCode === 0) return false
  if (child.signalCode === 'SIGKILL' && timer !== undefined) return true
  throw new Error(`the ${side.role} ended by itself: ${errors}`)
}
