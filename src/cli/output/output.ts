import { fdatasync, fstatSync, write } from 'node:fs'
import { promisify } from 'node:util'
import { onAbort } from '../../util/abort.ts'
import { CommandError, EXIT } from '../errors.ts'
import { Stopped } from '../signals.ts'

const STDOUT = 1
/** Time for a write to complete after the signal to stop. */
const GRACE_MS = 1000

const writeCall = promisify(write)
const fdatasyncCall = promisify(fdatasync)

/** Standard output whose writes resolve once the data is accepted. */
export interface Output {
  /** A stream is a pipe, a socket, or closed. */
  readonly kind: 'file' | 'terminal' | 'stream'
  /** Columns of the terminal; 80 where there is none. */
  readonly columns: number
  /**
   * Resolves when the file, pipe or terminal has accepted all of it.
   * @throws {Stopped} SIGPIPE: the reader is gone; or the reason of the signal, if it takes too long
   */
  write(data: Uint8Array | string): Promise<void>
  /** Makes written data durable, if it is a file. */
  flush(): Promise<void>
}

/** The process's standard output. The signal ends a write that hangs. */
export function standardOutput(signal: AbortSignal): Output {
  const kind = kindOfOutput()
  return {
    kind,
    // A terminal that does not know its size reports 0.
    columns: process.stdout.columns || 80,
    write: (data) => translated(kind === 'file' ? writeFile(data) : writeStream(data, signal)),
    flush: () => (kind === 'file' ? translated(fdatasyncCall(STDOUT)) : Promise.resolve()),
  }
}

function kindOfOutput(): Output['kind'] {
  if (process.stdout.isTTY === true) return 'terminal'
  try {
    return fstatSync(STDOUT).isFile() ? 'file' : 'stream'
  } catch {
    return 'stream'
  }
}

/** Node's own stream for a file ignores short writes, so a full disk would go unnoticed. */
async function writeFile(data: Uint8Array | string): Promise<void> {
  let rest = typeof data === 'string' ? Buffer.from(data) : data
  while (rest.length > 0) {
    const { bytesWritten } = await writeCall(STDOUT, rest)
    rest = rest.subarray(bytesWritten)
  }
}

function writeStream(data: Uint8Array | string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const stopping = (): void => {
      timer = setTimeout(() => reject(signal.reason), GRACE_MS)
    }
    const listening = onAbort(signal, stopping)
    process.stdout.write(data, (error) => {
      listening()
      clearTimeout(timer)
      if (error) reject(error)
      else resolve()
    })
  })
}

async function translated(operation: Promise<void>): Promise<void> {
  try {
    await operation
  } catch (error) {
    if (error instanceof Stopped) throw error
    const code = error instanceof Error ? Reflect.get(error, 'code') : undefined
    if (code === 'EPIPE') throw new Stopped('SIGPIPE')
    const reason = error instanceof Error ? error.message : String(error)
    const message = `could not write to standard output: ${reason}`
    throw new CommandError(EXIT.fault, 'CLI_OUTPUT', message, {}, error)
  }
}
