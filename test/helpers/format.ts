import { inject } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    readonly format: 1 | 2
  }
}

/** The format of the rings in this run: what holds for both formats is run once for each, see `vitest.config.ts`. */
export const FORMAT: 1 | 2 = inject('format')
