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

/** The share of the time that notifying may take. */
const SHARE = 1 / 10
/** Milliseconds of notifying that are allowed in a row after a quiet time. */
const BURST_MS = 50
/** The longest rest, in milliseconds: on a busy machine notifying seems to take long, and changes should not wait for that. */
const MAX_REST_MS = 50

/**
 * The listeners of one system watch. It does not say where the file has changed, so each listener checks. With many listeners and
 * frequent changes, several changes share a notification.
 */
export class Listeners {
  readonly all: Set<() => void> = new Set()
  /** Milliseconds of notifying that are left; below 0 while it has to rest. */
  #leftMs = BURST_MS
  #at = performance.now()
  #timer: NodeJS.Timeout | undefined

  /** Notifies them now, or soon. */
  notify(): void {
    if (this.#timer !== undefined) return
    const now = performance.now()
    this.#leftMs = Math.min(BURST_MS, this.#leftMs + (now - this.#at) * SHARE)
    this.#at = now
    if (this.#leftMs > 0 || this.all.size === 1) this.#notifyNow()
    else this.#rest(Math.min(MAX_REST_MS, -this.#leftMs / SHARE))
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #rest(ms: number): void {
    this.#timer = setTimeout(() => this.#notifyNow(), ms).unref()
  }

  #notifyNow(): void {
    this.close()
    const began = performance.now()
    this.#at = began
    for (const listener of this.all) listener()
    this.#leftMs = Math.max(0, this.#leftMs) - (performance.now() - began)
  }
}

/** One watch of the system, and its listeners. */
interface SharedWatch {
  readonly watch: BlockWatch
  readonly listeners: Listeners
}

/**
 * One system watch for all listeners of one file: many rings can be parts of it, and a watch for each would take memory,
 * and time at each change.
 */
export class FileWatches {
  readonly #path: string
  #shared: SharedWatch | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** As {@link watchFile}. */
  add(onChange: () => void): BlockWatch {
    // A watch that has failed stays with its listeners; a new one may succeed.
    if (this.#shared?.watch.works !== true) this.#shared = this.#begin()
    const { watch, listeners } = this.#shared
    const own = (): void => onChange()
    listeners.all.add(own)
    return {
      get works() {
        return watch.works
      },
      close: () => {
        if (!listeners.all.delete(own) || listeners.all.size > 0) return
        watch.close()
        listeners.close()
        if (this.#shared?.watch === watch) this.#shared = undefined
      },
    }
  }

  #begin(): SharedWatch {
    const listeners = new Listeners()
    return { watch: watchFile(this.#path, () => listeners.notify()), listeners }
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
