/** The failure of a connection or a request. */
export type FaultKind =
  /** The server replied with an error. */
  | 'refused'
  /** The connection ended, or could not be made. */
  | 'lost'
  /** No reply in time. */
  | 'late'
  /** The server violated the protocol. */
  | 'broken'
  /** The server does not offer what was requested; retrying would not help. */
  | 'unfit'

/** A failure between client and server, before it becomes a `BlockError` for the caller. */
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
