import { type Clock, systemClock } from '../../../clock.ts'
import { onAbort } from '../../../util/abort.ts'
import { systemCode } from '../../native/errors.ts'
import { reasonOf } from '../errors.ts'
import { NbdFault } from '../transport/fault.ts'

/** The head start of each attempt, as RFC 8305 recommends. */
const HEAD_START_MS = 250

/** One way to connect. */
export interface Attempt<T> {
  /** An address as text. */
  readonly name: string
  /** Connects; gives up when the signal is aborted. */
  readonly connect: (signal: AbortSignal) => Promise<T>
}

/**
 * Connects in the first way that works, as in RFC 8305 (Happy Eyeballs): an attempt begins when the previous one has
 * failed or has had its head start. No attempt has a time limit, because the slow one may be the only one that works.
 * The first success cancels the others.
 * @throws the failure of the only attempt
 * @throws {NbdFault} all have failed; the message has the reason of each
 * @throws the signal's reason
 */
export function race<T>(
  attempts: readonly Attempt<T>[],
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = new AbortController()
    const failures: { readonly name: string; readonly error: unknown }[] = []
    let begun = 0
    let headStart = new AbortController()
    const finish = (settle: () => void): void => {
      listening()
      headStart.abort()
      settle()
      over.abort()
    }
    const begin = (): void => {
      headStart.abort()
      const attempt = attempts[begun]
      if (attempt === undefined) {
        if (failures.length === attempts.length) finish(() => reject(allFailed(failures)))
        return
      }
      begun++
      attempt.connect(over.signal).then(
        (connected) => finish(() => resolve(connected)),
        (error: unknown) => {
          failures.push({ name: attempt.name, error })
          if (!over.signal.aborted) begin()
        },
      )
      headStart = new AbortController()
      clock.sleep(HEAD_START_MS, headStart.signal).then(begin, () => undefined)
    }
    const listening = onAbort(signal, () => finish(() => reject(signal.reason)))
    if (!signal.aborted) begin()
  })
}

/** The addresses, alternating between families, because often all of one family are unreachable. */
export function alternating<T extends { readonly family: number }>(addresses: readonly T[]): T[] {
  const [first] = addresses
  const same = addresses.filter(({ family }) => family === first?.family)
  const others = addresses.filter(({ family }) => family !== first?.family)
  const pairs = addresses.map((_, at) => [same[at], others[at]])
  return pairs.flat().filter((address) => address !== undefined)
}

function allFailed(
  failures: readonly { readonly name: string; readonly error: unknown }[],
): unknown {
  const [first] = failures
  if (failures.length === 1) return first?.error
  const reasons = failures.map(({ name, error }) => `${name}: ${reasonOf(error)}`).join('; ')
  const errors = failures.map(({ error }) => error)
  const message = failures.length === 0 ? 'the host has no address' : reasons
  return new NbdFault('lost', message, systemCode(first?.error), new AggregateError(errors))
}
