import type { SalvageBlockDevice } from '../../block/wrap/salvage.ts'
import { crc32c } from '../../checksum/crc32c.ts'
import { systemClock } from '../../clock.ts'
import { unreadableBytes } from '../../ring/access/readable-part.ts'
import { checkFixed } from '../../ring/format2/check/check-blocks.ts'
import type { Disk } from '../../ring/format2/disk/disk.ts'
import { type Finding, Findings } from '../../ring/report/finding.ts'
import { cannotRead } from '../../ring/report/unreadable.ts'
import type { Damage } from '../snapshot.ts'

/** The guard, the superblocks and the leases rarely change: they are checked this often. */
const CHECK_MS = 30_000

/**
 * The damage of a ring of format 2 outside its log: what each look finds in the slots, what a check of the other
 * structures finds now and then, and the sectors that could not be read.
 */
export class RingDamage {
  readonly #device: SalvageBlockDevice
  readonly #disk: Disk
  #fixed: readonly Finding[] = []
  /** The checksum of all that `checkFixed` checked last; undefined if the device could not be read synchronously. */
  #fixedSum: number | undefined
  #checkedAt = Number.NEGATIVE_INFINITY
  #known: { readonly from: readonly unknown[]; readonly damage: readonly Damage[] } | undefined

  constructor(device: SalvageBlockDevice, disk: Disk) {
    this.#device = device
    this.#disk = disk
  }

  get isCheckDue(): boolean {
    return systemClock.now() - this.#checkedAt >= CHECK_MS
  }

  /**
   * All damage; the same array as before if nothing has changed.
   * @param findings of the slots
   */
  async in(findings: readonly Finding[]): Promise<readonly Damage[]> {
    if (this.isCheckDue) {
      const now = systemClock.now()
      const sum = this.#sumOfFixed()
      if (sum === undefined || sum !== this.#fixedSum) await this.#checkFixed()
      this.#fixedSum = sum
      this.#checkedAt = now
    }
    const from = [findings, this.#fixed, this.#device.unreadable]
    if (this.#known?.from.every((one, index) => one === from[index]) !== true)
      this.#known = { from, damage: await this.#all(findings) }
    return this.#known.damage
  }

  async #checkFixed(): Promise<void> {
    const fixed = new Findings()
    await checkFixed(this.#disk, fixed, systemClock)
    if (JSON.stringify(fixed.list) !== JSON.stringify(this.#fixed)) this.#fixed = fixed.list
  }

  /** The checksum of all that `checkFixed` checks; undefined if it cannot be read before this returns. */
  #sumOfFixed(): number | undefined {
    const { slots, leases, superblocks, blockSize } = this.#disk.layout
    const behindSlots = slots.offset + slots.bytes
    let sum = 0
    for (const [offset, bytes] of [
      [0, slots.offset],
      [behindSlots, leases.consumer + blockSize - behindSlots],
      [superblocks[2], blockSize],
    ] as const) {
      const found = this.#disk.readNow(offset, bytes)
      if (found === undefined) return undefined
      sum = crc32c(found, sum)
    }
    return sum
  }

  async #all(findings: readonly Finding[]): Promise<readonly Damage[]> {
    const unreadable = await unreadableBytes(this.#device)
    const { blockSize } = this.#disk.layout
    return [
      ...[...this.#fixed, ...findings].map((finding) => damageOf(finding, blockSize)),
      ...unreadable.map((range): Damage => {
        return { ...range, severity: 'damage', structure: 'sectors', problem: cannotRead(range) }
      }),
    ]
  }
}

/** A finding as damage on the map: at least a block. */
export function damageOf(finding: Finding, blockSize: number): Damage {
  const { severity, offset, structure, problem, items } = finding
  const damage = { severity, offset, bytes: blockSize, structure, problem }
  return items === undefined ? damage : { ...damage, items }
}
