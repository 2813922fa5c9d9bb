/** A value that is loaded when it is first needed. Afterwards `lazy.value ?? (await lazy.load())` does not wait. */
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

  /** Loads all of them, for simulations, where loading must not take simulated time. */
  static async loadAll(): Promise<void> {
    for (const lazy of Lazy.#all) await lazy.load()
  }
}
