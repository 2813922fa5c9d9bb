import { Random } from '../../src/sim/random.ts'
import type { Speed } from './connection.ts'
import type { PauseKind } from './host.ts'

/** Something that befalls a host. */
export interface Mishap {
  readonly atMs: number
  readonly host: number
  readonly what: PauseKind | 'cut' | 'kill' | 'forward' | 'back'
  readonly ms: number
  /** It waits for the host's next request, or the next one that writes its lease, and comes in the middle of that. */
  readonly amid?: 'request' | 'lease'
  /** How much later that request arrives than it would, in milliseconds. */
  readonly lateMs: number
}

/** What one run is like. */
export interface Plan {
  readonly seed: number
  readonly hosts: number
  readonly timeoutsMs: readonly number[]
  /** Whether who takes over fences the holder. */
  readonly fenced: boolean
  /** How probable it is that a fence fails. */
  readonly fenceFails: number
  /** All hosts have the same name, against the rules. */
  readonly sameName: boolean
  /** Hosts that begin again take at once what they left behind. */
  readonly reclaim: boolean
  readonly speed: Speed
  readonly mishaps: readonly Mishap[]
}

/** How long mishaps happen, in milliseconds. */
export const TROUBLE_MS = 180_000

/**
 * Draws a run. Where nobody fences, no host has a pause that stops both its clocks, nor one that stops the one clock while the
 * other one is set back: that is out of a lease's reach.
 */
export function planOf(seed: number): Plan {
  const random = new Random(seed)
  const hosts = random.between(2, 3)
  const fenced = random.chance(0.5)
  const kinds: Mishap['what'][] = ['stop', 'cut', 'kill', 'forward']
  kinds.push(random.pick(['sleep', 'back']))
  if (fenced) kinds.push('freeze')
  const calm = random.chance(0.2)
  return {
    seed,
    hosts,
    timeoutsMs: Array.from({ length: hosts }, () => random.between(5, 30) * 1000),
    fenced,
    fenceFails: random.chance(0.5) ? 0.5 : 0,
    sameName: !fenced && random.chance(0.3),
    reclaim: random.chance(0.3),
    speed: random.pick([
      { usualMs: 5, lateChance: 0, lateMs: 0 },
      { usualMs: 20, lateChance: 0.02, lateMs: 3000 },
      { usualMs: 50, lateChance: 0.02, lateMs: 60_000 },
      { usualMs: 300, lateChance: 0.1, lateMs: 10_000 },
    ]),
    mishaps: calm ? [] : mishapsOf(random, hosts, kinds),
  }
}

function mishapsOf(random: Random, hosts: number, kinds: readonly Mishap['what'][]): Mishap[] {
  const mishaps: Mishap[] = []
  for (let left = random.between(1, 10); left > 0; left--) {
    const before = mishaps.at(-1)
    // Troubles seldom come singly. At the beginning all hosts are after the role.
    const place =
      before !== undefined && random.chance(0.4)
        ? { host: before.host, atMs: Math.min(before.atMs + random.below(20_000), TROUBLE_MS) }
        : { host: random.below(hosts), atMs: random.chance(0.2) ? 0 : random.below(TROUBLE_MS) }
    const amid = random.pick([undefined, 'request', 'lease', 'lease'] as const)
    mishaps.push({
      ...place,
      what: random.pick(kinds),
      ms: random.between(1, 90) * 1000,
      ...(amid && { amid }),
      lateMs: random.chance(0.5) ? random.below(60_000) : 0,
    })
  }
  return mishaps
}
