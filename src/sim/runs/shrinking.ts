/** The outcome of a run, as far as shrinking uses it. */
interface Ran<Plan> {
  readonly plan: Plan
  readonly broken: { readonly kind: string } | undefined
}

/** A failing plan that is made smaller, as long as it violates a guarantee of the same kind. */
export class Shrinking<Plan, Outcome extends Ran<Plan>> {
  /** The outcome of the smallest plan so far. */
  best: Outcome
  readonly #run: (plan: Plan) => Promise<Outcome>
  readonly #maxRuns: number
  readonly #kind: string | undefined
  #runs = 0

  constructor(failing: Outcome, run: (plan: Plan) => Promise<Outcome>, maxRuns: number) {
    this.best = failing
    this.#run = run
    this.#maxRuns = maxRuns
    this.#kind = failing.broken?.kind
  }

  /** The smallest plan so far. */
  get plan(): Plan {
    return this.best.plan
  }

  /** True if it has run as often as it may. */
  get isOver(): boolean {
    return this.#runs >= this.#maxRuns
  }

  /** True if a smaller plan still fails; it is the best one then. */
  readonly attempt = async (smaller: Plan): Promise<boolean> => {
    if (this.isOver) return false
    this.#runs++
    const outcome = await this.#run(smaller)
    if (outcome.broken?.kind !== this.#kind) return false
    this.best = outcome
    return true
  }
}

/** Leaves out pieces of a list, halves first: `attempt` says whether a shorter one still fails. */
export async function shorten<T>(
  list: readonly T[],
  attempt: (shorter: readonly T[]) => Promise<boolean>,
): Promise<void> {
  let left = list
  for (let piece = left.length; piece >= 1; piece = Math.floor(piece / 2)) {
    for (let at = 0; at < left.length; ) {
      const shorter = left.toSpliced(at, piece)
      if (await attempt(shorter)) left = shorter
      else at += piece
    }
  }
}
