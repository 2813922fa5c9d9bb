/** Pseudo-random integers below a bound, the same ones for the same seed. */
export declare function randomFrom(seed: number): (below: number) => number

/** The items of the crash test, and where they end in a ring of a format. */
export declare class Items {
  constructor(seed: number, count: number, format: 1 | 2)
  readonly count: number
  item(index: number): Uint8Array
  batch(from: number, bytes: number): Uint8Array[]
  before(position: bigint): number
}
