import type { Plan } from './options.ts'

/**
 * Works on items, some at the same time, in any order. Each worker takes one item at a time, so what it
 * holds bounds the memory. After a failure or an abort no more items are taken, and what is in flight
 * settles first, because requests cannot be cancelled.
 * @param worker makes a worker, when there is a first item for it
 * @throws what a worker threw, or the signal's reason
 */
export async function inParallel<T>(
  items: Iterable<T> | AsyncIterable<T>,
  plan: Plan,
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
 * Prepares items, some ahead at the same time, and answers them in order.
 * @param prepare gets a slot too: the memory of slot `n` is free again when the next answer is asked for
 * @throws what `prepare` threw, or the signal's reason, when what is in flight has settled
 */
export async function* inOrder<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  plan: Plan,
  prepare: (item: T, slot: number) => Promise<R>,
): AsyncGenerator<R> {
  const ahead: Promise<R>[] = []
  let taken = 0
  try {
    for await (const item of items) {
      plan.signal?.throwIfAborted()
      const preparing = prepare(item, taken++ % plan.concurrency)
      // An earlier one may fail first; this one is awaited below all the same.
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
