/** A rule of the lease that is left out, and a seed whose run shows it. */
export interface Mutant {
  readonly name: string
  readonly seed: number
  readonly edits: readonly {
    readonly file: string
    readonly find: string
    readonly replace: string
  }[]
}

export declare const MUTANTS: readonly Mutant[]
