import { onAbort } from '../../util/abort.ts'

/** Switches to the alternate screen, without a cursor and line wrapping; and back. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l'
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const REST_OF_LINE = '\x1b[K'
const REST_OF_SCREEN = '\x1b[J'

export type Key = 'up' | 'down' | 'left' | 'right' | 'leave'

const KEYS: Readonly<Record<string, Key>> = {
  q: 'leave',
  Q: 'leave',
  '\x03': 'leave',
  '\x1b[A': 'up',
  '\x1b[B': 'down',
  '\x1b[C': 'right',
  '\x1b[D': 'left',
  '\x1bOA': 'up',
  '\x1bOB': 'down',
  '\x1bOC': 'right',
  '\x1bOD': 'left',
}

/** The keys in input from a terminal. */
export function keysIn(text: string): readonly Key[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what keys send
  const found = text.match(/\x1b[[O][A-Z]|\x1b|[^\x1b]/g) ?? []
  return found.flatMap((one) => KEYS[one] ?? [])
}

/** Takes over the whole terminal, and restores it however the program ends. */
export class Terminal implements Disposable {
  readonly #onKey: (key: Key) => void
  readonly #onResize: () => void
  readonly #hasKeys: boolean = process.stdin.isTTY === true

  constructor(onKey: (key: Key) => void, onResize: () => void) {
    this.#onKey = onKey
    this.#onResize = onResize
    process.stdout.write(ENTER)
    process.once('exit', this.#restore)
    process.stdout.on('resize', this.#onResize)
    if (!this.#hasKeys) return
    process.stdin.setRawMode(true)
    process.stdin.on('data', this.#listen)
  }

  get columns(): number {
    return process.stdout.columns ?? 80
  }

  get rows(): number {
    return process.stdout.rows ?? 24
  }

  draw(lines: readonly string[]): void {
    process.stdout.write(
      HOME + lines.map((line) => line + REST_OF_LINE).join('\r\n') + REST_OF_SCREEN,
    )
  }

  readonly #listen = (data: Buffer): void => {
    for (const key of keysIn(data.toString())) this.#onKey(key)
  }

  readonly #restore = (): void => {
    if (this.#hasKeys) process.stdin.setRawMode(false)
    process.stdout.write(LEAVE)
  };

  [Symbol.dispose](): void {
    process.off('exit', this.#restore)
    process.stdout.off('resize', this.#onResize)
    process.stdin.off('data', this.#listen)
    process.stdin.pause()
    this.#restore()
  }
}

/** Resolves when either is aborted. */
export function untilEither(...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of signals) onAbort(signal, resolve)
  })
}
