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
 * Opens a file with these bytes, at its beginning, that has no name and so goes away with the last who has it
 * open. A reader finds them whole, unlike those of a pipe, whose writer may be killed in the middle.
 */
export async function openInput(bytes: Uint8Array): Promise<InputFile> {
  const path = join(tmpdir(), `sbr-${randomBytes(12).toString('hex')}`)
  const fd = openSync(path, 'wx+', 0o600)
  try {
    // In the same breath, because who is killed between the two leaves it behind.
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
