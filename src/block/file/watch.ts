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
