import type { NbdTlsOptions } from '../tls-options.ts'
import type { NbdAddress } from '../uri.ts'

/** Receives the bytes of a stream. */
export interface NbdStreamReceiver {
  /** Memory for the next bytes, at least one. It is valid until the next call of `filled`. */
  space(): Uint8Array
  /** The first `bytes` of the last `space` were filled. */
  filled(bytes: number): void
  /** The stream has taken this many of the bytes that were sent, in order: the link is alive. */
  taken(bytes: number): void
  /** The stream is over; without an error, the server closed the connection. */
  ended(error?: Error): void
}

/** A two-way stream of bytes to a server. */
export interface NbdStream {
  /** Sends the pieces in order, after everything sent before. They must not change until the server has replied. */
  send(pieces: readonly Uint8Array[]): void
  /** Sets whether the open stream keeps the process alive. */
  keepAlive(isNeeded: boolean): void
  /**
   * Encrypts from here on. The server is silent until then. Called only for addresses with TLS.
   * @throws the reason that the receiver's `ended` gets
   */
  startTls(): Promise<void>
  /** Sends pending data, then signals the end. The receiver also learns when the server has closed the stream. */
  end(): void
  /** Closes the stream immediately: nothing more is sent. */
  destroy(): void
}

/**
 * Makes a stream to the server of an address. It is the client's only access to the network, so that a tunnel or a
 * simulator can replace it.
 * @throws why there is no stream; the signal's reason when it is aborted
 */
export type NbdDial = (
  address: NbdAddress,
  receiver: NbdStreamReceiver,
  options: NbdDialOptions,
) => Promise<NbdStream>

/** Options of creating a stream. */
export interface NbdDialOptions {
  /** Aborted when the stream is no longer wanted, or comes too late. */
  readonly signal: AbortSignal
  /** Settings that override those of the URI; undefined: there are none. */
  readonly tls: NbdTlsOptions | undefined
}
