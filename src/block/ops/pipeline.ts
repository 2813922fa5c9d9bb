import type { Plan } from './options.ts'

/** The part of a plan that a pipeline needs. */
type Pace = Pick<Plan, 'concurrency' | 'signal'>

/**
 * Processes items, several at a time, in any order. Each worker takes one item at a time, so the memory of the
 * workers is the limit. After a failure or an abort no more items are taken, and requests in flight settle first,
 * because they cannot be cancelled.
 * @param worker makes a worker, when there is a first item for it
 * @throws the worker's error, or the signal's reason
 */
export async function inParallel<T>(
  items: Iterable<T> | AsyncIterable<T>,
  plan: Pace,
  worker: () => (item: T) => Promise<void>,
): Promise<void> {
  const source = iterate(items)
  let failed = false
  const work = async (): Promise<void> => {
    let run: ((item: T) => Promise<void>) | undefined
    while (!failed) {
      plan.signal?.throwIfAborted()
      const next = await source.next()
      if (next.done === true) return
      run ??= worker()
      await run(next.value)
    }
  }
  const workers = Array.from({ length: plan.concurrency }, () =>
    work().catch((error: unknown) => {
      failed = true
      throw error
    }),
  )
  for (const result of await Promise.allSettled(workers)) {
    if (result.status === 'rejected') throw result.reason
  }
}

/**
 * Prepares items, several ahead, and yields the results in order.
 * @param prepare also gets a slot: the memory of slot `n` is free again when the next result is requested
 * @throws the error of `prepare`, or the signal's reason, once everything in flight has settled
 */
export async function* inOrder<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  plan: Pace,
  prepare: (item: T, slot: number) => Promise<R>,
): AsyncGenerator<R> {
  const ahead: Promise<R>[] = []
  let taken = 0
  try {
    for await (const item of items) {
      plan.signal?.throwIfAborted()
      const preparing = prepare(item, taken++ % plan.concurrency)
      // An earlier one may fail first; this one is still awaited below.
      preparing.catch(() => {})
      ahead.push(preparing)
      if (ahead.length === plan.concurrency) yield* next(ahead)
    }
    while (ahead.length > 0) {
      plan.signal?.throwIfAborted()
      yield* next(ahead)
    }
  } finally {
    await Promise.allSettled(ahead)
  }
}

async function* next<R>(ahead: Promise<R>[]): AsyncGenerator<R> {
  const first = ahead.shift()
  if (first !== undefined) yield await first
}

async function* iterate<T>(items: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T> {
  yield* items
}
