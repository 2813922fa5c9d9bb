/**
 * Streams of Node over a reader or a writer.
 *
 * @module shared-block-ring/streams/node
 */
import { Readable, Writable } from 'node:stream'
import type { RingEntry } from '../ring/queue/entry.ts'
import type { RingReader } from '../ring/queue/reader.ts'
import type { RingWriter } from '../ring/queue/writer.ts'

/**
 * A Node stream of what a reader reads, in object mode, for as long as the reader is open. Nothing is acknowledged
 * by itself. Destroying the stream leaves the reader open; entries it has buffered are read again after
 * `rewind`.
 */
export function toReadable<Out>(reader: RingReader<Out>): Readable {
  const stop = new AbortController()
  return new Readable({
    objectMode: true,
    read() {
      reader.receiveMany({ signal: stop.signal, maxItems: this.readableHighWaterMark }).then(
        (entries: readonly RingEntry<Out>[]) => {
          for (const entry of entries) this.push(entry)
        },
        (error: Error) => {
          if (!stop.signal.aborted) this.destroy(error)
        },
      )
    },
    destroy(error, callback) {
      stop.abort()
      callback(error)
    },
  })
}

/**
 * A Node stream that pushes what is written to it, in object mode: items that wait at the same time share a
 * commit. A write's callback, and `finish`, come when the items are durable. Destroying the stream drops what was
 * not pushed, and leaves the writer open.
 */
export function toWritable<In>(writer: RingWriter<In>): Writable {
  const stop = new AbortController()
  const { signal } = stop
  const push = (items: readonly In[], callback: (error?: Error | null) => void): void => {
    writer.pushMany(items, { signal }).then(
      () => callback(),
      (error: Error) => callback(error),
    )
  }
  return new Writable({
    objectMode: true,
    highWaterMark: 1024,
    write: (item: In, _encoding, callback) => push([item], callback),
    writev: (chunks, callback) =>
      push(
        chunks.map(({ chunk }) => chunk as In),
        callback,
      ),
    destroy: (error, callback) => {
      stop.abort()
      callback(error)
    },
  })
}
