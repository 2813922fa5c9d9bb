/** One thing that happened to the operation `id`; ids grow in the order of pushing. */
export interface Happened {
  /**
   * `push`: is being pushed. `ack`: the push resolved. `call`: is the first in a call of `perform`. `run`: was
   * performed. `letter`: was handed to the dead letter. `done`: the receipt says that it was performed.
   */
  readonly kind: 'push' | 'ack' | 'call' | 'run' | 'letter' | 'done'
  readonly id: number
}

/**
 * Checks what a journal did, over all its crashes: every acknowledged operation was performed at least once (or
 * handed over), in order, none was invented, and repeated was only what was not done, from a batch's start.
 * @throws {Error} what was wrong
 */
export function checkHistory(history: readonly Happened[]): void {
  const pushed = new Set<number>()
  const acknowledged = new Set(history.filter(({ kind }) => kind === 'ack').map(({ id }) => id))
  const waiting = [...acknowledged].sort((a, b) => a - b)
  const performed = new Set<number>()
  const done = new Set<number>()
  let lastCall = -1
  for (const [at, { kind, id }] of history.entries()) {
    const wrong = (what: string): Error => new Error(`event ${at}: operation ${id} ${what}`)
    if (kind === 'push') pushed.add(id)
    if (kind === 'ack' && !pushed.has(id)) throw wrong('was acknowledged, but never pushed')
    if (kind === 'call') {
      if (id < lastCall) throw wrong(`begins a batch after one that began with ${lastCall}`)
      lastCall = id
    }
    if (kind === 'run' || kind === 'letter') {
      if (!pushed.has(id)) throw wrong('was invented')
      if (done.has(id)) throw wrong('was done already')
      performed.add(id)
      for (; waiting[0] !== undefined && waiting[0] <= id; waiting.shift()) {
        if (!performed.has(waiting[0])) throw wrong(`overtook operation ${waiting[0]}`)
      }
    }
    if (kind === 'done') {
      if (!performed.has(id)) throw wrong('is said to be done, but was not performed')
      done.add(id)
    }
  }
  if (waiting.length > 0) throw new Error(`acknowledged and never performed: ${waiting.join(', ')}`)
}
