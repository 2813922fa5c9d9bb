import type { BlockHints, ClaimOptions } from '../../block/device.ts'
import type { SimHost, SimProcess } from './process.ts'
import { nameOf, Random } from './random.ts'

/** How late a hint may be, in milliseconds. */
const LATE_MS = 5
/** One hint in `ONE_OF` is lost, one is sent twice, and one expected hint comes without a change. */
const ONE_OF = 8

/**
 * The hints of a role that is claimed in a process, in a quarter of all runs: in the others the waiting side polls.
 * Hints may be lost, late, sent twice, or sent for nothing.
 */
export function hintsIn(
  process: SimProcess,
  role: string,
  { onHint, peer }: ClaimOptions,
): BlockHints | undefined {
  const { seed } = process.world
  if (onHint === undefined || seed % 8 < 6) return undefined
  const end = new HintEnd(process, role, peer, onHint)
  endsOf(process.host).set(role, end)
  return end
}

/** Who gives and takes hints on each machine, by role. */
const all = new WeakMap<SimHost, Map<string, HintEnd>>()

function endsOf(host: SimHost): Map<string, HintEnd> {
  const ends = all.get(host) ?? new Map<string, HintEnd>()
  all.set(host, ends)
  return ends
}

/** What a claim has of hints. */
class HintEnd implements BlockHints {
  readonly #process: SimProcess
  readonly #role: string
  readonly #peer: string | undefined
  readonly #onHint: () => void
  readonly #name: number
  #isExpecting = false
  #drawn = 0

  constructor(process: SimProcess, role: string, peer: string | undefined, onHint: () => void) {
    this.#process = process
    this.#role = role
    this.#peer = peer
    this.#onHint = onHint
    this.#name = nameOf(`hints of ${role}`)
  }

  get connected(): boolean {
    return this.#other !== undefined
  }

  expect(): void {
    this.#isExpecting = true
    const random = this.#random()
    if (random.below(ONE_OF) === 0) this.#tell(random)
  }

  give(): void {
    this.#other?.takeFrom(this.#random())
  }

  takeFrom(random: Random): void {
    if (!this.#isExpecting) return
    this.#isExpecting = false
    const fate = random.below(ONE_OF)
    if (fate === 0) return
    this.#tell(random)
    if (fate === 1) this.#tell(random)
  }

  #tell(random: Random): void {
    const process = this.#process
    const late = random.float() * LATE_MS
    process.world.scheduler.after(late, () => process.whenRunning(this.#onHint))
  }

  get #other(): HintEnd | undefined {
    const { host } = this.#process
    const end = this.#peer === undefined ? undefined : endsOf(host).get(this.#peer)
    return end !== undefined && host.claims.get(end.#role) === end.#process ? end : undefined
  }

  #random(): Random {
    return Random.of(this.#process.world.seed, this.#name, this.#drawn++)
  }
}
