import type { Socket } from 'node:net'
import type { BlockHints } from '../device.ts'
import { RateLimit } from './rate-limit.ts'

// Hints between the holders of two roles, such as a ring's producer and consumer, over a connection that begins as a
// request (protocol.ts). After that, every message is one byte, in both directions.
//
// Invariants:
// - A hint means "check now" and nothing else: it may be lost, late or false.
// - A hint is sent only to a peer that expects one, and only a waiting role expects one: in a burst of changes there is
//   one, and none while neither side waits.
// - Nothing waits for a hint. A peer that sends more than these rules allow, or does not read, is disconnected.

/** The request that turns a connection into one for hints. */
export const HINTS_REQUEST = 'hints'
/** The answer to it. */
export const HINTS_ANSWER = 'ok'

/** Requests a hint at the next change. */
const EXPECT = 0x65
/** Reports a change. */
const HINT = 0x68

/**
 * The limit for requests of hints, because each hint costs a check. A role that waits more often than this finds
 * changes by polling.
 */
const EXPECTED = { burst: 256, perSecond: 1000 } as const
/** The limit for messages from a peer: requests and hints at the limit above, and some more. */
const RECEIVED = { burst: 1024, perSecond: 4000 } as const
/** The most bytes that arrive at once. At most two are outstanding. */
const MAX_RECEIVED_BYTES = 64
/** The shortest time between two calls of the other role's holder. */
const CALL_INTERVAL_MS = 1000

/** One end of a connection. Both ends keep the same rules. */
export class HintEnd {
  readonly #send: (message: number) => void
  readonly #onHint: () => void
  readonly #expectations: RateLimit
  /** True if this end has requested the next hint. */
  #isExpecting: boolean
  /** True if the peer has requested a hint. */
  #isExpected = false
  /** True if there may be a change that the peer has no hint of, as before the connection existed. */
  #hasChanged = true

  /**
   * @param accepts true if the peer has connected, and sends first
   * @param now monotonic milliseconds
   */
  constructor(
    accepts: boolean,
    send: (message: number) => void,
    onHint: () => void,
    now?: () => number,
  ) {
    this.#isExpecting = accepts
    this.#send = send
    this.#onHint = onHint
    this.#expectations = new RateLimit(EXPECTED, now)
  }

  expect(): void {
    if (this.#isExpecting || !this.#expectations.take()) return
    this.#isExpecting = true
    this.#send(EXPECT)
  }

  give(): void {
    if (this.#isExpected) this.#sendHint()
    else this.#hasChanged = true
  }

  /** Sends the first message. The end that accepted the connection expects a hint from the start. */
  begin(): void {
    this.#sendHint()
    this.expect()
  }

  /** @returns false if the message breaks the rules */
  receive(message: number): boolean {
    if (message === EXPECT) {
      if (this.#hasChanged) this.#sendHint()
      else this.#isExpected = true
      return true
    }
    if (message !== HINT) return false
    if (this.#isExpecting) {
      this.#isExpecting = false
      this.#onHint()
    }
    return true
  }

  #sendHint(): void {
    this.#isExpected = false
    this.#hasChanged = false
    this.#send(HINT)
  }
}

/** A connection for hints. It limits what its peer may send or leave unread. */
class HintConnection {
  readonly end: HintEnd
  readonly #socket: Socket
  readonly #received = new RateLimit(RECEIVED)

  constructor(socket: Socket, accepts: boolean, onHint: () => void, onClose: () => void) {
    this.#socket = socket
    this.end = new HintEnd(accepts, (message) => this.#send(message), onHint)
    socket.unref()
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('close', onClose)
  }

  close(): void {
    this.#socket.destroy()
  }

  #send(message: number): void {
    const socket = this.#socket
    if (socket.writableLength > 0) socket.destroy()
    else if (socket.writable) socket.write(Uint8Array.of(message))
  }

  #receive(chunk: Buffer): void {
    const isAccepted =
      chunk.length <= MAX_RECEIVED_BYTES &&
      chunk.every((message) => this.#received.take() && this.end.receive(message))
    if (!isAccepted) this.#socket.destroy()
  }
}

/** The peer of a {@link ClaimHints}. */
export interface HintPeer {
  /** Connects to the peer; undefined if it does not exist. */
  readonly call: () => Promise<Socket | undefined>
  /** Decides which of two simultaneous calls counts: true at one end, false at the other. */
  readonly yields: boolean
}

/**
 * The hints of one claim. Either end calls the other when it first waits or makes a change, and again at later changes.
 * It does not call again while it only waits, because many roles wait for peers that never come.
 */
export class ClaimHints implements BlockHints {
  readonly #onHint: () => void
  readonly #peer: HintPeer | undefined
  #connection: HintConnection | undefined
  #isClosed = false
  #isCalling = false
  #calledAt: number | undefined

  /** @param peer without it, this end only accepts calls */
  constructor(onHint: () => void, peer?: HintPeer) {
    this.#onHint = onHint
    this.#peer = peer
  }

  get connected(): boolean {
    return this.#connection !== undefined
  }

  expect(): void {
    this.#connection?.end.expect()
    if (this.#calledAt === undefined) this.#callPeer()
  }

  give(): void {
    this.#connection?.end.give()
    const now = performance.now()
    if (now - (this.#calledAt ?? Number.NEGATIVE_INFINITY) >= CALL_INTERVAL_MS) this.#callPeer()
  }

  /** Accepts a call. A role has one holder, so the last call counts. */
  accept(socket: Socket): void {
    const isBusy = this.#isCalling || this.#connection !== undefined
    if (isBusy && this.#peer?.yields === false) socket.destroy()
    else this.#connect(socket, true)
  }

  close(): void {
    this.#isClosed = true
    this.#connection?.close()
  }

  #callPeer(): void {
    if (this.#peer === undefined || this.#isCalling || this.connected || this.#isClosed) return
    this.#calledAt = performance.now()
    this.#isCalling = true
    this.#peer
      .call()
      .then((socket) => {
        this.#isCalling = false
        if (socket === undefined) return
        if (this.connected) socket.destroy()
        else this.#connect(socket, false)?.end.begin()
      })
      .catch(() => {
        this.#isCalling = false
      })
  }

  #connect(socket: Socket, accepts: boolean): HintConnection | undefined {
    if (this.#isClosed || socket.destroyed) {
      socket.destroy()
      return undefined
    }
    this.#connection?.close()
    const connection = new HintConnection(socket, accepts, this.#onHint, () => {
      if (this.#connection !== connection) return
      this.#connection = undefined
      // The peer's last change may have come without a hint.
      if (!this.#isClosed) this.#onHint()
    })
    this.#connection = connection
    return connection
  }
}
