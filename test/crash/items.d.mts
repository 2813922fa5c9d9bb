/** Pseudo-random integers below a bound, the same ones for the same seed. */
export declare function randomFrom(seed: number): (below: number) => number

/** The items of the crash test. */
export declare class Items {
  constructor(seed: number, count: number)
  readonly count: number
  item(index: number): Uint8Array
  batch(from: number, bytes: number): Uint8Array[]
  before(position: bigint): number
}
