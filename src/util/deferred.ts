/** A promise with the functions that settle it. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void
}

let settle: Pick<Deferred<never>, 'resolve' | 'reject'>

/** One function for all promises. A closure for each would take a tenth of the time of a push. */
function keepSettle(resolve: (value: never) => void, reject: (reason: unknown) => void): void {
  settle = { resolve, reject }
}

/** As `Promise.withResolvers`, which Node 20 does not have. */
export function deferred<T>(): Deferred<T> {
  const promise = new Promise<T>(keepSettle)
  const { resolve, reject } = settle as Pick<Deferred<T>, 'resolve' | 'reject'>
  return { promise, resolve, reject }
}
