/** A guarantee that was violated. */
export interface Broken {
  readonly kind: string
  readonly message: string
}

/** What a check throws that finds a guarantee violated. */
export class Violation extends Error {
  /** The kind of guarantee. */
  readonly kind: string

  constructor(kind: string, message: string) {
    super(message)
    this.kind = kind
  }
}
