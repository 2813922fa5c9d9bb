/**
 * What a handler returns instead of success: try again, or give the item up. Only a `Job` makes one, and a private field tells it
 * from everything else, so that nothing in an item can pass for it.
 */
export class HandlerVerdict {
  readonly #decision: Decision

  /** @internal */
  constructor(decision: Decision) {
    this.#decision = decision
  }

  /**
   * The decision in what a handler returned; undefined if it returned something else, which is success.
   * @internal
   */
  static of(value: unknown): Decision | undefined {
    return typeof value === 'object' && value !== null && #decision in value
      ? value.#decision
      : undefined
  }

  /**
   * What a handler decided: in the verdict it returned or, without one, in the last verdict it asked its job for and did not
   * return. Undefined: success.
   * @internal
   */
  static given(returned: unknown, job: object | undefined): Decision | undefined {
    const asked = job !== undefined && 'asked' in job ? job.asked : undefined
    return HandlerVerdict.of(returned) ?? HandlerVerdict.of(asked)
  }
}

/** What a {@link HandlerVerdict} holds. */
export type Decision =
  | { readonly what: 'retry'; readonly afterMs: number | undefined; readonly reason: unknown }
  | { readonly what: 'giveUp'; readonly reason: unknown }
