/**
 * What is loaded when it is first needed. From then on it is at hand: `lazy.value ?? (await lazy.load())` waits only once.
 */
export class Lazy<T> {
  static readonly #all = new Set<Lazy<unknown>>()
  readonly #load: () => Promise<T>
  #value: T | undefined

  constructor(load: () => Promise<T>) {
    this.#load = load
    Lazy.#all.add(this)
  }

  /** Undefined until it has been loaded. */
  get value(): T | undefined {
    return this.#value
  }

  async load(): Promise<T> {
    this.#value ??= await this.#load()
    return this.#value
  }

  /** Loads all there are: for simulations, in whose time nothing is loaded. */
  static async loadAll(): Promise<void> {
    for (const lazy of Lazy.#all) await lazy.load()
  }
}
