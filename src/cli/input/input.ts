import { createReadStream, fstatSync } from 'node:fs'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CommandError, EXIT } from '../errors.ts'

/** The most input buffered during a commit. The larger, the fewer commits. */
const BUFFERED_BYTES = 1 << 20

/**
 * Standard input in pieces, each with all bytes since the last one.
 * @throws the signal's reason, also between two pieces
 */
export async function* standardInput(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const buffer = new PassThrough({ highWaterMark: BUFFERED_BYTES })
  // Its errors come out of the buffer too.
  pipeline(inputStream(), buffer, { signal }).catch(() => undefined)
  try {
    for await (const chunk of buffer) yield chunk
  } catch (error) {
    signal.throwIfAborted()
    const reason = error instanceof Error ? error.message : String(error)
    const message = `could not read standard input: ${reason}`
    throw new CommandError(EXIT.fault, 'CLI_INPUT', message, {}, error)
  }
}

/**
 * Node takes a directory and a raw device for an empty input. Read as files, a directory fails, and a raw device has
 * its bytes.
 */
function inputStream(): Readable {
  const stats = fstatSync(0)
  const taken = stats.isDirectory() || stats.isBlockDevice()
  return taken ? createReadStream('', { fd: 0 }) : process.stdin
}
