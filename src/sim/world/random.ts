/** Mixes two 32-bit numbers into one. */
export function mix(left: number, right: number): number {
  let z = (Math.imul(left ^ (left >>> 16), 0x21f0aaad) + right + 0x9e3779b9) | 0
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
  z = Math.imul(z ^ (z >>> 13), 0x2545f491)
  return (z ^ (z >>> 16)) >>> 0
}

/** The number of a stream's name. */
export function nameOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  return hash >>> 0
}

/**
 * A stream of random numbers that is determined by a seed and names. Every decision of a simulation is drawn from a
 * stream of its own, so that leaving one out does not change the others.
 */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** The stream of a seed and a path of names. */
  static of(seed: number, ...path: readonly number[]): Random {
    let state = mix(seed, path.length)
    for (const name of path) state = mix(state, name)
    return new Random(state)
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0
    let z = this.#state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }

  /** 0 (inclusive) to 1 (exclusive). */
  float(): number {
    return this.next() / 0x1_0000_0000
  }

  /** 0 to `count` - 1. */
  below(count: number): number {
    return Math.floor(this.float() * count)
  }

  /** `low` to `high`, both inclusive. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.float() < probability
  }

  /** One of them, with equal probability. */
  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)]
    if (choice === undefined && choices.length === 0) throw new RangeError('nothing to pick from')
    return choice as T
  }

  /** Picks by weight. */
  weighted<T>(choices: readonly (readonly [weight: number, choice: T])[]): T {
    const sum = choices.reduce((total, [weight]) => total + weight, 0)
    let left = this.float() * sum
    for (const [weight, choice] of choices) {
      left -= weight
      if (left < 0) return choice
    }
    throw new RangeError('no choice has a weight')
  }
}
