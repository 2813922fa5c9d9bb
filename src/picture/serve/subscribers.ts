import type { ServerResponse } from 'node:http'
import { steadyTime } from '../history.ts'
import type { Snapshot } from '../snapshot.ts'
import type { RingWatches, WatchedRing } from '../watch/ring-watches.ts'

/** The most pages that are updated at the same time. */
const MOST = 16
/** A page with this much unread data is too slow, and is disconnected. */
const MOST_WAITING_BYTES = 1 << 20

/** An update for pages: the rings that have changed, by their number. The others are unchanged at this time. */
export interface Update {
  readonly at: number
  /** The same by a clock that never goes back. */
  readonly steadyAt: number
  readonly rings: Readonly<Record<string, Snapshot>>
}

/** Sends snapshots to pages, as server-sent events. */
export class Subscribers {
  /** Called with the number of pages when it changes. */
  onChange: (count: number) => void = () => undefined
  readonly #observatory: RingWatches
  readonly #responses = new Set<ServerResponse>()
  /** The number of changes of each ring when it was last sent. */
  #told: number[] = []

  constructor(observatory: RingWatches) {
    this.#observatory = observatory
  }

  get isFull(): boolean {
    return this.#responses.size >= MOST
  }

  add(response: ServerResponse): void {
    this.#responses.add(response)
    response.on('close', () => {
      if (this.#responses.delete(response)) this.onChange(this.#responses.size)
    })
    const { rings } = this.#observatory
    // It begins with all rings, if they were already looked at.
    if (rings.every(({ snapshot }) => snapshot !== undefined))
      this.#send(response, updateOf(changedSince(rings, [])))
    else this.#told = []
    this.onChange(this.#responses.size)
  }

  tell(): void {
    if (this.#responses.size === 0) return
    const { rings } = this.#observatory
    const event = updateOf(changedSince(rings, this.#told))
    for (const response of this.#responses) this.#send(response, event)
  }

  #send(response: ServerResponse, event: string): void {
    if (response.writableLength > MOST_WAITING_BYTES) response.destroy()
    else response.write(event)
  }

  end(): void {
    for (const response of this.#responses) response.end()
  }
}

/**
 * The rings that have changed, by their number: mostly none.
 * @param told how often each had changed when it was last sent; brought up to date
 */
function changedSince(rings: readonly WatchedRing[], told: number[]): Update['rings'] {
  const changed: Record<string, Snapshot> = {}
  for (const [index, { snapshot, changes }] of rings.entries()) {
    if (snapshot === undefined || changes === told[index]) continue
    told[index] = changes
    changed[index] = snapshot
  }
  return changed
}

function updateOf(rings: Update['rings']): string {
  const update: Update = { at: Date.now(), steadyAt: steadyTime(), rings }
  return `data: ${JSON.stringify(update)}\n\n`
}
