/**
 * A handler returns this instead of success, to retry the item or give it up. Only a `Job` creates one, and a private
 * field identifies it, so that nothing in an item can pass for it.
 */
export class HandlerVerdict {
  readonly #decision: Decision

  /** @internal */
  constructor(decision: Decision) {
    this.#decision = decision
  }

  /**
   * The decision in a handler's result; undefined for any other result, which is success.
   * @internal
   */
  static of(value: unknown): Decision | undefined {
    return typeof value === 'object' && value !== null && #decision in value
      ? value.#decision
      : undefined
  }

  /**
   * The decision of a handler: the verdict that it returned, or else the last one that it asked its job for and did not
   * return. Undefined: success.
   * @internal
   */
  static given(returned: unknown, job: object | undefined): Decision | undefined {
    const asked = job !== undefined && 'asked' in job ? job.asked : undefined
    return HandlerVerdict.of(returned) ?? HandlerVerdict.of(asked)
  }
}

/** The content of a {@link HandlerVerdict}. */
export type Decision =
  | { readonly what: 'retry'; readonly afterMs: number | undefined; readonly reason: unknown }
  | { readonly what: 'giveUp'; readonly reason: unknown }
