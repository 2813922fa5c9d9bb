import { safeText } from '../../text/render.ts'
import { shellWord } from '../../util/shell-word.ts'
import { NOTICE_AFTER_MS } from './person.ts'

/** The reason why a producer waits. */
export type Obstacle = 'full' | 'suspended' | 'full or suspended'

/**
 * Reports that a command waits, and for what: once per wait. A ring with a busy consumer is full for moments all the
 * time, which is not reported.
 */
export class WaitNotice {
  readonly #device: string
  readonly #write: (text: string) => unknown
  #waiting: { readonly why: Obstacle; readonly since: number; isWritten: boolean } | undefined

  constructor(
    device: string,
    write: (text: string) => unknown = (text) => process.stderr.write(text),
  ) {
    this.#device = device
    this.#write = write
  }

  /** Call it repeatedly while waiting. */
  waits(why: Obstacle): void {
    const now = performance.now()
    if (this.#waiting?.why !== why) this.#waiting = { why, since: now, isWritten: false }
    const isBrief = why !== 'suspended' && now - this.#waiting.since < NOTICE_AFTER_MS
    if (this.#waiting.isWritten || isBrief) return
    this.#waiting.isWritten = true
    this.#write(`sbr: ${safeText(`${this.#device} is ${why}; ${hope(why, this.#device)}`)}\n`)
  }

  /** The wait is over. */
  over(): void {
    this.#waiting = undefined
  }
}

function hope(why: Obstacle, device: string): string {
  const word = shellWord(device)
  const hopes = {
    full: `waiting for a consumer to make room; to see whether one is at work: sbr diagnostics ${word}`,
    suspended: `waiting until it is resumed: sbr resume ${word}`,
    'full or suspended': `waiting until a consumer makes room, or resumes it: sbr diagnostics ${word}`,
  }
  return hopes[why]
}
