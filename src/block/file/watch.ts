import { watch } from 'node:fs'
import type { BlockWatch } from '../device.ts'

/** Hints that a file may have changed. Errors only mean that no more hints come. */
export function watchFile(path: string, onChange: () => void): BlockWatch {
  try {
    const watcher = watch(path, { persistent: false }, () => onChange())
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return { close: () => undefined }
  }
}
