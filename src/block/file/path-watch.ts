import { fstat } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { BlockError } from '../../errors.ts'

/**
 * The interval of checks of an open file at its path, in milliseconds; longer for files that are only read: no data is
 * at risk.
 */
const CHECK_MS = 1000
const CHECK_READ_ONLY_MS = 5000
/** Checks come up to this much earlier, to coincide: each alone would wake up the process and a thread. */
const ROUND_MS = 100

/** Names of descriptors, not of files: later they may mean another file. */
const DESCRIPTOR = /^\/(proc|dev\/fd)\/|^\/dev\/std/

const fstatCall = promisify(fstat)
const BIG = { bigint: true } as const

/** The identity of a file. */
interface Identity {
  readonly ino: bigint
  readonly dev: bigint
}

/** A file that is open. */
export interface WatchedFile {
  readonly fd: number
  /** True if it had a name when it was opened: some have none, and some file systems do not count them. */
  readonly named: boolean
  readonly writable: boolean
}

/**
 * Detects that an open file was removed, or that its path leads to another file: no program would read further writes.
 * It checks once a second (every five seconds if it is only read), independent of requests, and does not keep the
 * program running.
 *
 * Only certain findings count: the file has no name left, or another file is at the path. A path that cannot be
 * followed (a moved or unreadable folder, a mount that hangs) is no evidence.
 */
export class PathWatch {
  readonly #name: string
  readonly #path: string
  readonly #file: WatchedFile
  readonly #onReplaced: (error: BlockError<'BLOCK_REPLACED'>) => void
  /** The identity of the open file, once it was read. */
  #known: Identity | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(
    path: string,
    file: WatchedFile,
    onReplaced: (error: BlockError<'BLOCK_REPLACED'>) => void,
  ) {
    this.#name = path
    // Now, because the program may change its working directory.
    this.#path = resolve(path)
    this.#file = file
    this.#onReplaced = onReplaced
    this.#schedule()
  }

  /** Ends the watch. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  /** Checks now, and reports a finding; never fails. */
  async check(): Promise<void> {
    const found = await this.#find().catch(() => undefined)
    if (found === undefined || this.#closed) return
    this.close()
    this.#onReplaced(replaced(this.#name, found))
  }

  #schedule(): void {
    if (this.#closed) return
    const pause = this.#file.writable ? CHECK_MS : CHECK_READ_ONLY_MS
    const early = (performance.now() + pause) % ROUND_MS
    this.#timer = setTimeout(() => {
      void this.check().then(() => this.#schedule())
    }, pause - early).unref()
  }

  async #find(): Promise<string | undefined> {
    const isFollowed = !DESCRIPTOR.test(this.#path)
    const there = isFollowed ? await stat(this.#path, BIG).catch(() => undefined) : undefined
    // Mostly this is enough: a program with many open files checks each of them every second.
    if (there !== undefined && isSame(there, this.#known)) return undefined
    const file = await fstatCall(this.#file.fd, BIG)
    this.#known = { ino: file.ino, dev: file.dev }
    if (file.nlink === 0n && this.#file.named) return 'was removed'
    if (there === undefined || isSame(there, file)) return undefined
    return `was replaced (expected inode ${file.ino}, found ${there.ino})`
  }
}

function isSame(one: Identity, other: Identity | undefined): boolean {
  return one.ino === other?.ino && one.dev === other.dev
}

function replaced(device: string, what: string): BlockError<'BLOCK_REPLACED'> {
  return new BlockError(
    'BLOCK_REPLACED',
    `${device} ${what} while it was open. Programs that open that path do not see what is written here, so nothing more is read or ` +
      'written; what was written since then is in the old file only. Open the path again',
    { device },
  )
}
