/**
 * Web streams for a reader or a writer.
 *
 * @module shared-block-ring/streams/web
 */
import type { RingEntry } from '../ring/queue/entry.ts'
import type { RingReader } from '../ring/queue/reader.ts'
import type { RingWriter } from '../ring/queue/writer.ts'
import { untilAborted } from '../util/abort.ts'
import { signalOf, type WaitingOptions } from '../util/waiting.ts'

/** Items that a stream accepts before it applies backpressure. */
const IN_FLIGHT = 1024
/** The same limit, in bytes. */
const WAITING_BYTES = 8 << 20

/**
 * A web stream of a reader's entries, while the reader is open. It acknowledges nothing. Cancelling the stream leaves
 * the reader open.
 */
export function toReadableStream<Out>(reader: RingReader<Out>): ReadableStream<RingEntry<Out>> {
  const stop = new AbortController()
  return new ReadableStream<RingEntry<Out>>(
    {
      pull: async (controller) => {
        const before = reader.position
        try {
          const entry = await reader.receive({ signal: stop.signal })
          // Cancelled during the read, so the entry was not delivered.
          if (stop.signal.aborted) await reader.seek(before)
          else controller.enqueue(entry)
        } catch (error) {
          if (!stop.signal.aborted) throw error
        }
      },
      cancel: () => stop.abort(),
    },
    { highWaterMark: 0 },
  )
}

/**
 * A web stream that pushes the items written to it. Many items share a commit, so a write resolves before its item is
 * durable; when `close` resolves, all items are. Aborting drops items that are not pushed yet. Closing the stream
 * leaves the writer open.
 */
export function toWritableStream<In>(writer: RingWriter<In>): WritableStream<In> {
  const inFlight = new Set<Promise<unknown>>()
  return new WritableStream<In>({
    write: async (item, controller) => {
      // The type lacks the signal. An `abort` method is no substitute: it would wait for this write.
      const { signal } = controller as WritableStreamDefaultController & { signal: AbortSignal }
      const pushed = writer.push(item, { signal })
      inFlight.add(pushed)
      pushed.then(
        () => inFlight.delete(pushed),
        (error: unknown) => controller.error(error),
      )
      while (
        inFlight.size >= IN_FLIGHT ||
        (writer.queuedBytes > WAITING_BYTES && inFlight.size > 0)
      ) {
        await Promise.race(inFlight)
      }
    },
    close: async () => {
      await Promise.all(inFlight)
    },
  })
}

/**
 * Writes each item to a stream. When the stream has accepted it, acknowledges it and all items before it; the others
 * remain in the ring. Continues until the signal is aborted, the stream fails or the reader is closed. The stream
 * remains open.
 * @throws the signal's reason, the stream's error, or as `RingReader.receiveMany`
 */
export async function pipeTo<Out>(
  reader: RingReader<Out>,
  destination: WritableStream<Out>,
  options: WaitingOptions = {},
): Promise<never> {
  const signal = signalOf('pipeTo', options)
  const sink = destination.getWriter()
  const start = reader.position
  let taken: RingEntry<Out> | undefined
  try {
    for (;;) {
      for (const entry of await reader.receiveMany(options)) {
        await untilAborted(sink.write(entry.item), signal)
        taken = entry
        signal?.throwIfAborted()
      }
      if (taken !== undefined) await reader.ackThrough(taken)
    }
  } finally {
    sink.releaseLock()
    if (taken !== undefined) await reader.ackThrough(taken)
    await reader.seek(taken?.position ?? start)
  }
}
