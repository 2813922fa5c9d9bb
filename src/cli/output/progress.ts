/** Nothing is shown before this time, because most files are small. */
const PROGRESS_AFTER_MS = 500
const REDRAW_MS = 100
const BAR_COLUMNS = 30

/** Shows how far a long run of writes has come. */
export interface Progress extends Disposable {
  /** Call it repeatedly. */
  update(doneBytes: number, totalBytes: number): void
}

/** The stream that shows it. */
export interface ProgressStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** A bar on the terminal of standard error, if there is one; it is gone at the end. */
export function showProgress(label: string, stream: ProgressStream = process.stderr): Progress {
  const startedAt = performance.now()
  let drawnAt = startedAt + PROGRESS_AFTER_MS - REDRAW_MS
  let drawn = false
  return {
    update: (doneBytes, totalBytes) => {
      const now = performance.now()
      if (stream.isTTY !== true || now - drawnAt < REDRAW_MS) return
      drawnAt = now
      drawn = true
      stream.write(`\r${label} ${bar(doneBytes / totalBytes)} ${rate(doneBytes, now - startedAt)}`)
    },
    [Symbol.dispose]: () => {
      if (drawn) stream.write('\r\x1b[K')
    },
  }
}

function bar(part: number): string {
  const full = Math.floor(part * BAR_COLUMNS)
  const percent = `${Math.floor(part * 100)}%`.padStart(4)
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_COLUMNS - full)}]${percent}`
}

function rate(bytes: number, milliseconds: number): string {
  return `${Math.round(bytes / 2 ** 20 / (milliseconds / 1000))} MiB/s  `
}
