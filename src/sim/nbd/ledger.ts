import { COMMAND, OPTION } from '../../block/nbd/protocol.ts'
import { Violation } from '../runs/violation.ts'
import type { Tap } from './dial.ts'
import { type NbdRequest, RequestReader } from './request-reader.ts'

/** The kind of a call. */
export type CallKind = 'read' | 'change' | 'flush'

/** A call of a device that has not settled, and the bytes that it is about. */
interface Call {
  readonly kind: CallKind
  readonly from: number
  readonly to: number
}

/**
 * Tracks the calls of one device that have not settled, and sees the requests that are sent for it: each has to belong
 * to one of the calls, and none may be sent once the device is closed.
 */
export class CallLedger {
  readonly #violate: (error: unknown) => void
  readonly #calls = new Set<Call>()
  #closed = false

  constructor(violate: (error: unknown) => void) {
    this.#violate = violate
  }

  /** Runs a call that concerns some bytes, and tracks it until it settles. */
  async during<T>(kind: CallKind, from: number, bytes: number, work: () => Promise<T>): Promise<T> {
    const call = { kind, from, to: from + bytes }
    this.#calls.add(call)
    try {
      return await work()
    } finally {
      this.#calls.delete(call)
    }
  }

  /** True if a call that changes data is in progress. */
  get changing(): boolean {
    for (const { kind } of this.#calls) if (kind === 'change') return true
    return false
  }

  /** The device is closed. */
  close(): void {
    this.#closed = true
  }

  /** Sees what leaves over a connection, from its beginning. */
  tap(): Tap {
    const reader = new RequestReader({
      greeted: () => undefined,
      asked: ({ option }) => option === OPTION.go,
      requested: (request) => this.#sent(request),
    })
    return (pieces) => {
      if (this.#closed) this.#broken('sent after close', 'something is sent after it was closed')
      for (const piece of pieces) reader.push(piece)
    }
  }

  #sent({ command, offset, length }: NbdRequest): void {
    const wanted = NEEDED.get(command)
    if (wanted === undefined) return
    const belongs = [...this.#calls].some(({ kind, from, to }) => {
      if (wanted === 'flush') return kind !== 'read'
      return kind === wanted && from <= offset && offset + length <= to
    })
    if (belongs) return
    const what = `request ${command} of bytes ${offset} to ${offset + length}`
    this.#broken('stray request', `${what} is sent, and no call waits for it`)
  }

  #broken(kind: string, message: string): void {
    this.#violate(new Violation(kind, message))
  }
}

/** What kind of call a request has to belong to. */
const NEEDED: ReadonlyMap<number, CallKind> = new Map([
  [COMMAND.read, 'read'],
  [COMMAND.write, 'change'],
  [COMMAND.writeZeroes, 'change'],
  [COMMAND.trim, 'change'],
  [COMMAND.flush, 'flush'],
])
