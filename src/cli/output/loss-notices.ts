import type { Damage } from '../../ring/shared/damage.ts'
import { formatPosition } from '../../ring/shared/position-text.ts'
import { counted, describeDamage, grouped, safeJson, safeText } from '../../text/render.ts'

type SkippedDamage = Omit<Damage, 'missed' | 'device'>

/** Time during which damage of the same kind is gathered. */
const MORE_MS = 1000

/** Reports lost items on standard error as they are skipped, and their number at the end. */
export class LossNotices implements Disposable {
  readonly #device: string
  readonly #json: boolean
  #damaged = 0
  #missed = 0
  /** The damage that was last shown. */
  #shown: SkippedDamage | undefined
  /** Damage of that kind since then. */
  #more: SkippedDamage[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(device: string, json: boolean) {
    this.#device = device
    this.#json = json
  }

  /** These items are damaged and skipped. */
  damaged({ missed, device: _, ...damage }: Damage): void {
    this.missed(missed)
    this.#damaged += damage.items
    if (this.#isMore(damage)) return
    this.#showMore()
    // Only format 2 detects damage.
    const position = formatPosition(damage.position, 2)
    this.#write(
      { event: 'damaged', ...damage, position },
      `stepping over ${describeDamage(damage)}`,
    )
    if (!this.#json) this.#shown = damage
  }

  /** True if it is more of the same damage, as in many items of one batch: that is written once a second. */
  #isMore(damage: SkippedDamage): boolean {
    const shown = this.#shown
    if (shown?.structure !== damage.structure || shown.problem !== damage.problem) return false
    this.#more.push(damage)
    this.#timer ??= setTimeout(() => this.#showMore(), MORE_MS)
    return true
  }

  /** Writes how much more damage there was, if any. */
  #showMore(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const more = this.#more
    const [first, last] = [more[0], more.at(-1)]
    this.#more = []
    if (first === undefined || last === undefined) return
    const items = more.reduce((sum, damage) => sum + damage.items, 0)
    const numbers = { first: first.numbers.first, last: last.numbers.last }
    const places = more.length === 1 ? '' : ` more in ${grouped(more.length)} places:`
    this.#write({}, `stepping over${places} ${describeDamage({ ...first, items, numbers })}`)
  }

  /** This many items were overwritten before they were read; zero is not reported. */
  missed(items: number): void {
    if (items === 0) return
    this.#missed += items
    const what = `${counted(items, 'item')} ${items === 1 ? 'was' : 'were'} overwritten before being read`
    this.#write({ event: 'missed', items }, what)
  }

  /** Says how many those were, if there were any. */
  sum(): void {
    this.#showMore()
    const [damaged, missed] = [this.#damaged, this.#missed]
    if (damaged + missed === 0) return
    const what = `${counted(damaged + missed, 'item')} lost: ${grouped(damaged)} damaged, ${grouped(missed)} overwritten`
    this.#write({ event: 'lost', damagedItems: damaged, missedItems: missed }, what)
  }

  /** Writes the rest. */
  [Symbol.dispose](): void {
    this.#showMore()
  }

  #write(event: object, text: string): void {
    const line = this.#json ? safeJson(event) : safeText(`sbr: ${this.#device}: ${text}`)
    process.stderr.write(`${line}\n`)
  }
}
