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

/** Who else wants to be told by one watch of the system. */
interface SharedWatch {
  readonly watch: BlockWatch
  readonly told: Set<() => void>
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
    told.add(own)
    return {
      get works() {
        return watch.works
      },
      close: () => {
        if (!told.delete(own) || told.size > 0) return
        watch.close()
        if (this.#shared?.watch === watch) this.#shared = undefined
      },
    }
  }

  #begin(): SharedWatch {
    const told = new Set<() => void>()
    const watch = watchFile(this.#path, () => {
      for (const tell of told) tell()
    })
    return { watch, told }
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
