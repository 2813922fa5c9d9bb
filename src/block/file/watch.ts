import { type FSWatcher, watch } from 'node:fs'
import { channel } from '../../util/diagnostics.ts'
import type { BlockWatch } from '../device.ts'

/** Published on `shared-block-ring:watch`, once for each watch that does not work, or not any more. */
export interface WatchEvent {
  /** The file's path. */
  readonly device: string
  /** The reason. EMFILE or ENOSPC: the system has no inotify instance or watch left. */
  readonly error: unknown
}

const watches = channel('shared-block-ring:watch')

/** The share of the time that notifying may take. */
const SHARE = 1 / 10
/** Milliseconds of notifying that are allowed in a row after a quiet time. */
const BURST_MS = 50
/**
 * The longest rest, in milliseconds: on a busy machine notifying seems to take long, and changes should not wait for
 * that.
 */
const MAX_REST_MS = 50
/** After this many milliseconds of notifying, other events get their turn. */
const SLICE_MS = 0.25
/**
 * From this many on, notification takes noticeable time, and the other end of a ring has usually sent a hint already.
 */
const MANY = 16
/** Changes within this time share a notification of many. */
const GATHER_MS = 10

/**
 * The listeners of one system watch. It does not say where the file has changed, so each listener checks. Many are
 * notified in slices, so that other events do not wait for all of them. If changes are frequent, several share a
 * notification.
 */
export class Listeners {
  readonly all: Set<() => void> = new Set()
  /** Milliseconds of notifying that are left; below 0 while it has to rest. */
  #leftMs = BURST_MS
  #at = performance.now()
  #resting: NodeJS.Timeout | undefined
  /** Those that are still to be notified. */
  #left: Iterator<() => void> | undefined
  #slice: NodeJS.Immediate | undefined
  /** True if there was a change while they were notified. */
  #hasChanged = false

  /** Notifies them now, or soon. */
  notify(): void {
    if (this.all.size === 1) {
      for (const listener of this.all) listener()
      return
    }
    if (this.#resting !== undefined) return
    if (this.#left !== undefined) {
      this.#hasChanged = true
      return
    }
    const now = performance.now()
    this.#leftMs = Math.min(BURST_MS, this.#leftMs + (now - this.#at) * SHARE)
    this.#at = now
    const restMs = Math.min(MAX_REST_MS, -this.#leftMs / SHARE)
    const ms = this.all.size < MANY ? restMs : Math.max(GATHER_MS, restMs)
    if (ms <= 0) this.#begin()
    else this.#rest(ms)
  }

  close(): void {
    clearTimeout(this.#resting)
    clearImmediate(this.#slice)
    this.#resting = undefined
    this.#left = undefined
  }

  #rest(ms: number): void {
    this.#resting = setTimeout(() => this.#begin(), ms).unref()
  }

  #begin(): void {
    this.close()
    this.#hasChanged = false
    this.#at = performance.now()
    this.#leftMs = Math.max(0, this.#leftMs)
    const left = this.all.values()
    this.#left = left
    this.#notifySome(left)
  }

  #notifySome(left: Iterator<() => void>): void {
    const began = performance.now()
    let ms = 0
    while (ms < SLICE_MS) {
      const { value: listener } = left.next()
      if (listener === undefined) break
      listener()
      ms = performance.now() - began
    }
    this.#leftMs -= ms
    // A listener may have closed it.
    if (this.#left !== left) return
    if (ms >= SLICE_MS) {
      this.#slice = setImmediate(() => this.#notifySome(left)).unref()
      return
    }
    this.#left = undefined
    if (this.#hasChanged) this.notify()
  }
}

/** One watch of the system, and its listeners. */
interface SharedWatch {
  readonly watch: BlockWatch
  readonly listeners: Listeners
}

/**
 * One system watch for all listeners of one file: many rings can be parts of it, and a watch for each would take
 * memory, and time at each change.
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
