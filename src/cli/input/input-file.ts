import { randomBytes } from 'node:crypto'
import { close, openSync, unlinkSync, write } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const writeCall = promisify(write)
const closeCall = promisify(close)

/** An open file. */
export interface InputFile extends AsyncDisposable {
  readonly fd: number
}

/**
 * Opens a nameless file with these bytes, at its start; it vanishes with its last descriptor. A reader finds all of
 * them, unlike in a pipe, whose writer may be killed midway.
 */
export async function openInput(bytes: Uint8Array): Promise<InputFile> {
  const path = join(tmpdir(), `sbr-${randomBytes(12).toString('hex')}`)
  const fd = openSync(path, 'wx+', 0o600)
  try {
    // Synchronously: a process that is killed in between leaves the file behind.
    unlinkSync(path)
    for (let at = 0; at < bytes.length; ) {
      // With a position, because otherwise the file's own would move, and a reader begins there.
      at += (await writeCall(fd, bytes, at, bytes.length - at, at)).bytesWritten
    }
    return { fd, [Symbol.asyncDispose]: () => closeCall(fd) }
  } catch (error) {
    await closeCall(fd)
    throw error
  }
}
