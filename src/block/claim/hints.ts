import type { Socket } from 'node:net'
import type { BlockHints } from '../device.ts'
import { RateLimit } from './rate-limit.ts'

// Hints between the holders of two roles, such as a ring's producer and consumer, over a connection that began as a question
// (protocol.ts). From then on each message is a byte, in both directions alike.
// Invariants:
// - A hint says "look now" and nothing else: it may be lost, late or a lie.
// - One is sent only to who expects it, and expected only by who waits: in a burst of changes there is one, and none while nobody waits.
// - Nothing is ever waited for. Who sends more than these rules allow, or does not read, is hung up on.

/** The request that makes a connection one for hints. */
export const HINTS_REQUEST = 'hints'
/** The answer to it. */
export const HINTS_ANSWER = 'ok'

/** "Tell me of the next change." */
const EXPECT = 0x65
/** "Something has changed." */
const HINT = 0x68

/** How often a hint is asked for: each costs a look. Who waits more often finds by polling what has come. */
const EXPECTED = { burst: 256, perSecond: 1000 } as const
/** What a peer may say: as often as hints are asked for, in both directions, and some more. */
const RECEIVED = { burst: 1024, perSecond: 4000 } as const
/** Bytes that arrive together; two are outstanding at most. */
const MAX_RECEIVED_BYTES = 64
/** How often the other role's holder is looked for, at most. */
const CALL_INTERVAL_MS = 1000

/** One end of a connection. Both keep the same rules. */
export class HintEnd {
  readonly #send: (message: number) => void
  readonly #onHint: () => void
  readonly #expectations: RateLimit
  /** Whether the next hint is one that was asked for. */
  #isExpecting: boolean
  /** Whether the peer expects one. */
  #isExpected = false
  /** Whether something may have changed of which the peer was not told: to begin with, before there was a connection. */
  #hasChanged = true

  /**
   * @param accepts whether the peer has connected, and speaks first
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
    if (this.#isExpected) this.#tell()
    else this.#hasChanged = true
  }

  /** Speaks first: who accepts a connection expects a hint. */
  begin(): void {
    this.#tell()
    this.expect()
  }

  /** @returns whether the peer may say that */
  receive(message: number): boolean {
    if (message === EXPECT) {
      if (this.#hasChanged) this.#tell()
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

  #tell(): void {
    this.#isExpected = false
    this.#hasChanged = false
    this.#send(HINT)
  }
}

/** A connection for hints: bounds what its peer may send, and what it may leave unread. */
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

/** Whom a {@link ClaimHints} calls. */
export interface HintPeer {
  /** Connects to it; undefined if it is not there. */
  readonly call: () => Promise<Socket | undefined>
  /** Of two that call each other at the same time, whose call counts: true at one end, and false at the other. */
  readonly yields: boolean
}

/**
 * The hints of one claim. Either end calls the other when it first waits or has changed something, and again when it has changed something
 * later: not while it only waits, because many may wait for those who never come.
 */
export class ClaimHints implements BlockHints {
  readonly #onHint: () => void
  readonly #peer: HintPeer | undefined
  #connection: HintConnection | undefined
  #isClosed = false
  #isCalling = false
  #calledAt: number | undefined

  /** @param peer without it, it only takes calls */
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

  /** Takes a call. A role has one holder, so the last one counts. */
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
      // What the peer did last was perhaps not told.
      if (!this.#isClosed) this.#onHint()
    })
    this.#connection = connection
    return connection
  }
}
