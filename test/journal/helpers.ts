import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { text } from '../../src/codec/index.ts'
import {
  Journal,
  type JournalOptions,
  type PerformAnswer,
  type PerformContext,
} from '../../src/journal/index.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { FORMAT } from '../helpers/format.ts'
import { SMALL, sectorsFor } from '../helpers/ring.ts'

/** One call of `perform`. */
export interface Call extends PerformContext {
  readonly operations: readonly string[]
  /** The clock's time. */
  readonly at: number
}

/** What a call of `perform` does, after it was noted. */
export type Behaviour = (call: Call) => Promise<PerformAnswer>

/** A journal of strings under a fake clock, with all that was performed. */
export interface Rig {
  readonly device: MemoryBlockDevice
  readonly clock: FakeClock
  readonly journal: Journal<string>
  readonly calls: Call[]
  /** What each call of `perform` does from now on. At first: succeed. */
  behave(behaviour: Behaviour): void
}

/** Options of a journal of strings. */
export type StringOptions = Partial<JournalOptions<string>>

/** Bytes of a journal's data area. */
const DATA_BYTES = { 1: 29 * 512, 2: 32 * 512 }[FORMAT]
/** Sectors of a device for a journal. */
export const SECTORS: number = sectorsFor(DATA_BYTES)

const succeed: Behaviour = async () => undefined

/** Starts a journal; its pauses have no jitter. */
export async function startRig(
  options: StringOptions = {},
  device: MemoryBlockDevice = new MemoryBlockDevice({ sizeSectors: SECTORS }),
  clock: FakeClock = new FakeClock(),
  first: Behaviour = succeed,
): Promise<Rig> {
  const calls: Call[] = []
  let behaviour = first
  const perform = (operations: readonly string[], context: PerformContext) => {
    const call = { operations, ...context, at: clock.now() }
    calls.push(call)
    return behaviour(call)
  }
  const journal = await Journal.open<string>(device, perform, {
    ...{ codec: text, clock, random: () => 1, createIfMissing: SMALL },
    ...options,
  })
  const behave = (next: Behaviour): void => {
    behaviour = next
  }
  return { device, clock, journal, calls, behave }
}

/** How a promise stands. */
export async function stateOf(promise: Promise<unknown>): Promise<string> {
  const pending = Symbol('pending')
  try {
    const value = await Promise.race([promise, Promise.resolve(pending)])
    return value === pending ? 'pending' : 'resolved'
  } catch (error) {
    return error instanceof Error && 'code' in error
      ? `rejected: ${error.code}`
      : `rejected: ${error}`
  }
}

/** An operation of which a device with {@link SECTORS} holds `count` and no more, each pushed by itself. */
export function large(name: string, count: number): string {
  const bytes = Math.floor(DATA_BYTES / count)
  return name.padEnd(FORMAT === 1 ? bytes - 7 : bytes - (bytes % 512) - 88, '.')
}

/** What operations were called before they were made large. */
export function names(operations: readonly string[]): string[] {
  return operations.map((operation) => operation.replace(/\.+$/, ''))
}
