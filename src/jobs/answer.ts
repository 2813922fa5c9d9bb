/** What a handler returns instead of success. Made by a `Job` alone, so that nothing in an item can pass for it. */
export class Answer {
  readonly #answer: Given

  /** @internal */
  constructor(answer: Given) {
    this.#answer = answer
  }

  /**
   * What a handler answered; undefined if that is no answer, which is success.
   * @internal
   */
  static of(value: unknown): Given | undefined {
    return typeof value === 'object' && value !== null && #answer in value
      ? value.#answer
      : undefined
  }

  /**
   * What a handler answered: what it returned or, if that is no answer, what it asked of its job and forgot to return. Undefined: success.
   * @internal
   */
  static given(returned: unknown, job: object | undefined): Given | undefined {
    const asked = job !== undefined && 'asked' in job ? job.asked : undefined
    return Answer.of(returned) ?? Answer.of(asked)
  }
}

/** What an {@link Answer} says. */
export type Given =
  | { readonly what: 'retry'; readonly afterMs: number | undefined; readonly reason: unknown }
  | { readonly what: 'dead'; readonly reason: unknown }
