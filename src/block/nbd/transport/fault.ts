/** How a connection or a request failed. */
export type FaultKind =
  /** The server answered an error. */
  | 'refused'
  /** The connection ended, or could not be made. */
  | 'lost'
  /** There was no answer in time. */
  | 'late'
  /** The server sent what it must not. */
  | 'broken'
  /** The server does not offer what was asked for; asking again would not help. */
  | 'unfit'

/** A failure between this client and the server, before it is told to the caller as a `BlockError`. */
export class NbdFault extends Error {
  readonly kind: FaultKind
  /** The name of the system error or of the server's (`EIO`), if there is one. */
  readonly code: string | undefined

  constructor(kind: FaultKind, message: string, code?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
    this.code = code
  }
}

/** The server broke the protocol. */
export function broken(expected: string, found: string): NbdFault {
  return new NbdFault(
    'broken',
    `the server broke the protocol: expected ${expected}, found ${found}`,
  )
}
