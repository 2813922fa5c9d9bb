import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { shown } from '../block/claim/protocol.ts'
import { systemCode } from '../block/native/errors.ts'

/** Options of a command. */
export interface RunOptions {
  /** Time limit, in milliseconds. */
  readonly limitMs: number
  /** Variables added to our environment. */
  readonly env?: Readonly<Record<string, string>>
  /** The most bytes of output that are kept; the rest is read and dropped. Default 4096. */
  readonly keepBytes?: number
}

const KEPT_BYTES = 4096
/** Time for killed processes to disappear. */
const DYING_MS = 5000
const DYING_POLL_MS = 20

/** Windows has no process groups. */
const GROUPS = process.platform !== 'win32'

/**
 * Runs a program without a shell, and returns its standard output.
 *
 * The program's exit counts, even if another process still has its output open: a connection that it leaves in the
 * background for later calls, as ssh does, may stay alive. At the time limit it is killed with its process group, and
 * this settles only once no process of that group is left.
 * @throws {Error} it could not be started, took too long, or did not exit with code 0; the message includes the start
 *   of its standard error, on one line
 */
export async function runCommand(
  [program = '', ...args]: readonly string[],
  { limitMs, env, keepBytes = KEPT_BYTES }: RunOptions,
): Promise<string> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    detached: GROUPS,
    windowsHide: true,
  })
  // Without free descriptors there is not even an output.
  if (child.pid === undefined) throw (await once(child, 'error'))[0]
  const stdout = new Output(child.stdout, keepBytes)
  const stderr = new Output(child.stderr, KEPT_BYTES)
  try {
    const problem = await endOf(child, limitMs)
    await Promise.all([stdout.drain(), stderr.drain()])
    if (problem === undefined) return stdout.text
    const complaint = shown(stderr.text)
    throw new Error(`${program}: ${problem}${complaint === '' ? '' : `: ${complaint}`}`)
  } finally {
    child.stdout.destroy()
    child.stderr.destroy()
  }
}

/** Waits for a program's end, and returns the problem, if there was one. */
function endOf(child: ChildProcess, limitMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(endNow(child, limitMs)), limitMs)
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      if (code === 0) resolve(undefined)
      else resolve(code === null ? `it was killed by ${signal}` : `it ended with exit code ${code}`)
    })
    // The program has started, so the error is about a signal that could not be sent.
    child.on('error', () => undefined)
  })
}

async function endNow(child: ChildProcess, limitMs: number): Promise<string> {
  const rest = (await killGroup(child)) ? '' : ', but some of its processes may still be running'
  return `it took more than ${limitMs / 1000} s, and was killed${rest}`
}

/** Kills a program and every process that it has started. Returns true if all of them are gone. */
async function killGroup(child: ChildProcess): Promise<boolean> {
  const { pid } = child
  if (pid === undefined) return true
  for (let waited = 0; waited < DYING_MS; waited += DYING_POLL_MS) {
    const outcome = kill(child, pid)
    if (outcome === 'gone' || (outcome === 'killed' && !(await isAnyAlive(pid)))) return true
    await sleep(DYING_POLL_MS)
  }
  return false
}

/** `refused`: the rest of the group runs as another user, and continues. */
function kill(child: ChildProcess, pid: number): 'killed' | 'gone' | 'refused' {
  if (!GROUPS) return child.kill('SIGKILL') ? 'killed' : 'gone'
  try {
    process.kill(-pid, 'SIGKILL')
    return 'killed'
  } catch (error) {
    return systemCode(error) === 'ESRCH' ? 'gone' : 'refused'
  }
}

/**
 * True if any process of a group is alive, zombies excluded: in a container, a parent may never collect them. True also
 * if it cannot be determined.
 */
async function isAnyAlive(group: number): Promise<boolean> {
  const names = process.platform === 'linux' ? await readdir('/proc').catch(() => []) : []
  const pids = names.filter((name) => /^\d+$/.test(name))
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')
    // The program's name, in parentheses, may be anything.
    const [state, , ofGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(ofGroup) === group && state !== 'Z' && state !== 'X') return true
  }
  return pids.length === 0
}

/** The start of a program's output. */
class Output {
  readonly #stream: Readable
  readonly #pieces: Buffer[] = []
  #left: number
  #received = 0

  constructor(stream: Readable, keepBytes: number) {
    this.#stream = stream
    this.#left = keepBytes
    stream.on('error', () => undefined) // Then it has nothing more to say.
    stream.on('data', (chunk: Buffer) => {
      this.#received += chunk.length
      if (this.#left === 0) return
      const piece = chunk.subarray(0, this.#left)
      this.#pieces.push(piece)
      this.#left -= piece.length
    })
  }

  get text(): string {
    return Buffer.concat(this.#pieces).toString()
  }

  /** Reads what an exited program left in the pipe. The pipe may never end, because others can have it open. */
  async drain(): Promise<void> {
    for (let before = -1; before < this.#received && this.#left > 0; ) {
      before = this.#received
      if (this.#stream.readableEnded) return
      // The pipe's content arrives within the next turn of the event loop; the current turn may have begun before.
      await nextTurn()
      await nextTurn()
    }
  }
}
