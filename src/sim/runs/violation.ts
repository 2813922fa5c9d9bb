/** A promise that was broken. */
export interface Broken {
  readonly kind: string
  readonly message: string
}

/** What a check throws that finds a promise broken. */
export class Violation extends Error {
  /** The kind of promise. */
  readonly kind: string

  constructor(kind: string, message: string) {
    super(message)
    this.kind = kind
  }
}
