import type { Damage } from '../../ring/damage.ts'
import { formatPosition } from '../../ring/position-text.ts'
import { counted, describeDamage, grouped, safeJson, safeText } from './render.ts'

/** Tells on standard error which items a consumer does not get, when they are passed, and how many at the end. */
export class LossNotices {
  readonly #device: string
  readonly #json: boolean
  #damaged = 0
  #missed = 0

  constructor(device: string, json: boolean) {
    this.#device = device
    this.#json = json
  }

  /** These items are damaged and skipped. */
  damaged({ missed, device: _, ...damage }: Damage): void {
    this.missed(missed)
    this.#damaged += damage.items
    // Only format 2 detects damage.
    const position = formatPosition(damage.position, 2)
    this.#write(
      { event: 'damaged', ...damage, position },
      `stepping over ${describeDamage(damage)}`,
    )
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
    const [damaged, missed] = [this.#damaged, this.#missed]
    if (damaged + missed === 0) return
    const what = `${counted(damaged + missed, 'item')} lost: ${grouped(damaged)} damaged, ${grouped(missed)} overwritten`
    this.#write({ event: 'lost', damaged, missed }, what)
  }

  #write(event: object, text: string): void {
    const line = this.#json ? safeJson(event) : safeText(`sbr: ${this.#device}: ${text}`)
    process.stderr.write(`${line}\n`)
  }
}
