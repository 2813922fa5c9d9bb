import type { NbdTlsOptions } from '../tls-options.ts'
import type { NbdAddress } from '../uri.ts'

/** Takes what comes over a stream. */
export interface NbdStreamReceiver {
  /** Memory for what comes next, at least one byte. It is valid until the next call of `filled`. */
  space(): Uint8Array
  /** The first `bytes` of the last `space` were filled. */
  filled(bytes: number): void
  /** The stream has taken this many of the bytes that were sent, in order: the link is alive. */
  taken(bytes: number): void
  /** Nothing more comes, and nothing more is taken; without an error, the server closed the connection. */
  ended(error?: Error): void
}

/** A two-way stream of bytes to a server. */
export interface NbdStream {
  /** Sends the pieces in order, behind all that was sent before. They must not change until the server has answered. */
  send(pieces: readonly Uint8Array[]): void
  /** Whether the open stream keeps the process alive. */
  hold(needed: boolean): void
  /**
   * Encrypts from here on. The server is silent until then. Called only for addresses with TLS.
   * @throws what the receiver is told by `ended`
   */
  startTls(): Promise<void>
  /** Sends what is left, and then says that nothing more comes. The receiver hears when the server has closed it, too. */
  end(): void
  /** Closes the stream at once: nothing more is sent. */
  destroy(): void
}

/**
 * Makes a stream to the server of an address. An implementation owns all that reaches the network, and nothing else
 * of the client does: a tunnel or a simulator can take its place.
 * @throws why there is no stream; the signal's reason when it is aborted
 */
export type NbdDial = (
  address: NbdAddress,
  receiver: NbdStreamReceiver,
  options: NbdDialOptions,
) => Promise<NbdStream>

/** How to make a stream. */
export interface NbdDialOptions {
  /** Aborted when the stream is not wanted any more, or too late. */
  readonly signal: AbortSignal
  readonly tls: NbdTlsOptions | undefined
}
