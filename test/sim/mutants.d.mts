import type { Patch } from '../../scripts/sim-transpile.mjs'

export interface Mutant {
  readonly name: string
  readonly format: string
  readonly edits: readonly Patch[]
  readonly exhaust?: readonly string[]
}

export declare const MUTANTS: readonly Mutant[]
