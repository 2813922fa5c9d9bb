import { type FSWatcher, watch } from 'node:fs'
import { channel } from '../../util/diagnostics.ts'
import type { BlockWatch } from '../device.ts'

/** What is published on `shared-block-ring:watch`, once for each watch that does not work, or not any more. */
export interface WatchEvent {
  /** The file's path. */
  readonly device: string
  /** Why: with the code EMFILE or ENOSPC, the system has no inotify instance or watch left. */
  readonly error: unknown
}

const watches = channel('shared-block-ring:watch')

/** The part of the time that telling many may take. */
const SHARE = 1 / 10
/** So many milliseconds of telling may follow each other at once after a quiet time. */
const BURST_MS = 50
/** No change is told later than this, also on a busy machine, where telling seems to take long. */
const MAX_REST_MS = 50

/**
 * Who wants to be told by one watch of the system, which does not say what has changed in the file: each looks. If they are many, and changes
 * do not end, several changes are told together.
 */
export class Told {
  readonly all: Set<() => void> = new Set()
  /** Milliseconds of telling that are left; below 0 while it has to rest. */
  #leftMs = BURST_MS
  #at = performance.now()
  #timer: NodeJS.Timeout | undefined

  /** Tells them now, or soon. */
  tell(): void {
    if (this.#timer !== undefined) return
    const now = performance.now()
    this.#leftMs = Math.min(BURST_MS, this.#leftMs + (now - this.#at) * SHARE)
    this.#at = now
    if (this.#leftMs > 0 || this.all.size === 1) this.#tellNow()
    else this.#rest(Math.min(MAX_REST_MS, -this.#leftMs / SHARE))
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #rest(ms: number): void {
    this.#timer = setTimeout(() => this.#tellNow(), ms).unref()
  }

  #tellNow(): void {
    this.close()
    const began = performance.now()
    this.#at = began
    for (const tell of this.all) tell()
    this.#leftMs = Math.max(0, this.#leftMs) - (performance.now() - began)
  }
}

/** One watch of the system, and who is told by it. */
interface SharedWatch {
  readonly watch: BlockWatch
  readonly told: Told
}

/**
 * One watch of the system for all that want to be told of changes of one file: many rings can be parts of it, and each watch of its own takes
 * memory and time, also at each change.
 */
export class FileWatches {
  readonly #path: string
  #shared: SharedWatch | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** As {@link watchFile}. */
  add(onChange: () => void): BlockWatch {
    // One that has failed stays with those that have it; who comes now may have better luck.
    if (this.#shared?.watch.works !== true) this.#shared = this.#begin()
    const { watch, told } = this.#shared
    const own = (): void => onChange()
    told.all.add(own)
    return {
      get works() {
        return watch.works
      },
      close: () => {
        if (!told.all.delete(own) || told.all.size > 0) return
        watch.close()
        told.close()
        if (this.#shared?.watch === watch) this.#shared = undefined
      },
    }
  }

  #begin(): SharedWatch {
    const told = new Told()
    return { watch: watchFile(this.#path, () => told.tell()), told }
  }
}

/** Reports changes of a file, as hints. After an error no more are reported; the error is published once. */
export function watchFile(path: string, onChange: () => void): BlockWatch {
  let works = true
  let watcher: FSWatcher | undefined
  const fail = (error: unknown): void => {
    works = false
    watcher?.close()
    if (watches.hasSubscribers) watches.publish({ device: path, error } satisfies WatchEvent)
  }
  try {
    watcher = watch(path, { persistent: false }, () => onChange())
    watcher.on('error', fail)
  } catch (error) {
    fail(error)
  }
  return {
    get works() {
      return works
    },
    close: () => watcher?.close(),
  }
}
