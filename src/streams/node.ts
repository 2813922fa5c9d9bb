/**
 * Node streams for a reader or a writer.
 *
 * @module shared-block-ring/streams/node
 */
import { Readable, Writable } from 'node:stream'
import type { RingEntry } from '../ring/queue/entry.ts'
import type { RingReader } from '../ring/queue/reader.ts'
import type { RingWriter } from '../ring/queue/writer.ts'

/**
 * A Node stream of a reader's entries, in object mode, while the reader is open. It acknowledges nothing. Destroying
 * the stream leaves the reader open; entries in its buffer are read again after `rewind`.
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
 * A Node stream that pushes the items written to it, in object mode: concurrent items share a commit. A write's
 * callback, and `finish`, are called when the items are durable. Destroying the stream drops items that are not pushed
 * yet, and leaves the writer open.
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
