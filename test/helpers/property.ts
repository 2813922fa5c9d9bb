import fc from 'fast-check'
import { inject } from 'vitest'
import { SEED } from './seed.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Which command runs the test: see `vitest.config.ts`. */
    readonly kind: 'quick' | 'system' | 'proofs'
  }
}

/** A proof tries so many times as many inputs as `npm test` does. */
const FACTOR = inject('kind') === 'proofs' ? 4 : 1

/** How often a property is tried: `count` times in `npm test`, and more often as a proof. */
export function runs(count: number): { readonly numRuns: number } {
  return { numRuns: count * FACTOR }
}

fc.configureGlobal({ seed: SEED, ...runs(50) })

/** fast-check with the seed of this run: import it from here, in files that are named `*.property.test.ts`. */
export { fc }
