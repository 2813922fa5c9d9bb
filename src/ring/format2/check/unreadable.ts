import type { SalvageBlockDevice } from '../../../block/wrap/salvage.ts'
import type { Finding } from '../../report/finding.ts'
import { cannotRead } from '../../report/unreadable.ts'
import type { Disk } from '../disk/disk.ts'
import { offsetIn } from '../disk/offset-in.ts'

/** The kinds of structures in which a sector can be unreadable. `log` is the data area; `outside` is after the ring. */
type Kind = 'own' | 'lease' | 'log' | 'outside'

/** A structure of a ring, as a range of bytes on the device. */
interface Region {
  readonly structure: string
  readonly kind: Kind
  readonly from: number
  readonly to: number
}

/** Adjacent unreadable sectors of one structure, with the same loss. */
export interface UnreadablePart {
  readonly structure: string
  readonly kind: Kind
  /** Offset of its first byte on the device. */
  readonly offset: number
  readonly bytes: number
  /** Describes the loss; absent if there is none, or it is not known yet. */
  readonly loss?: string
}

/** Bytes that a finding already covers. */
interface Covered {
  readonly from: number
  readonly to: number
  readonly loss: string | undefined
}

const ADVICE: Readonly<Record<Kind, string>> = {
  own: 'nothing is lost, but no role can attach; sbr repair --write writes it again',
  lease:
    'no item is lost, but the role cannot attach; sbr repair --zero-unreadable --write frees it: make sure that no host is working',
  log: 'no role can read on there; sbr repair --zero-unreadable --write makes it readable, and reports the cost',
  outside: 'no part of the ring, but no role can attach; overwrite it by hand',
}

/** The unreadable sectors of a ring's device: the structures that contain them, and the findings that cover them. */
export class Unreadable {
  readonly #device: SalvageBlockDevice
  readonly #disk: Disk
  readonly #sectorSize: number
  readonly #regions: readonly Region[]
  readonly #covered: Covered[] = []

  private constructor(device: SalvageBlockDevice, disk: Disk, sectorSize: number) {
    this.#device = device
    this.#disk = disk
    this.#sectorSize = sectorSize
    this.#regions = regionsOf(disk)
  }

  /** @param device the device that the disk reads, so that every unreadable sector it meets is recorded here */
  static async of(device: SalvageBlockDevice, disk: Disk): Promise<Unreadable> {
    const { sectorSize } = await device.getInfo()
    return new Unreadable(device, disk, sectorSize)
  }

  /** True if there are unreadable sectors. */
  get some(): boolean {
    return this.#device.unreadable.length > 0
  }

  /** The reason why some of these bytes are unreadable; undefined if all are readable. */
  reason(offset: number, bytes: number): string | undefined {
    for (const range of this.#device.unreadable) {
      const from = Math.max(offset, range.sector * this.#sectorSize)
      const to = Math.min(offset + bytes, (range.sector + range.sectors) * this.#sectorSize)
      if (from < to) return cannotRead({ offset: from, bytes: to - from })
    }
    return undefined
  }

  /** As `reason`, for bytes of a batch, from its byte `at` on. */
  reasonInLog(lsn: number, at: number, bytes: number): string | undefined {
    const { dataOffset } = this.#disk.layout
    const offset = offsetIn(this.#disk, lsn, at)
    const past = this.#pastEnd(offset, bytes)
    return this.reason(offset, bytes - past) ?? this.reason(dataOffset, past)
  }

  /** Records that a finding covers these bytes, with their loss. */
  cover(offset: number, bytes: number, loss: string | undefined = undefined): void {
    this.#covered.push({ from: offset, to: offset + bytes, loss })
  }

  /** As `cover`, for bytes of a batch and all blocks that contain them: some disks can write only whole blocks. */
  coverInLog(lsn: number, at: number, bytes: number, loss: string | undefined): void {
    const { dataOffset, blockSize } = this.#disk.layout
    const first = Math.floor(at / blockSize)
    const blocks = Math.ceil((at + bytes) / blockSize) - first
    const offset = this.#disk.offsetOf(lsn + first)
    const past = this.#pastEnd(offset, blocks * blockSize)
    this.cover(offset, blocks * blockSize - past, loss)
    this.cover(dataOffset, past, loss)
  }

  /**
   * Gives a finding about one of the ring's own records its true reason, if the record is unreadable, and covers it.
   */
  explained(finding: Finding): Finding {
    const region = this.#regions.find(({ structure }) => structure === finding.structure)
    if (region === undefined) return finding
    const { from, to, kind } = region
    const problem = this.reason(from, to - from)
    if (problem === undefined) return finding
    this.cover(from, to - from)
    const advice = kind === 'lease' ? ADVICE.lease : finding.advice
    return { ...finding, severity: 'damage', problem, advice }
  }

  /** The parts that no finding covers. */
  rest(): readonly UnreadablePart[] {
    return this.#parts((covered) => covered.length === 0)
  }

  /** The parts in the data area. */
  log(): readonly UnreadablePart[] {
    return this.#parts(() => true).filter(({ kind }) => kind === 'log')
  }

  #parts(wanted: (covered: readonly Covered[]) => boolean): readonly UnreadablePart[] {
    const parts: UnreadablePart[] = []
    for (const { sector, sectors } of this.#device.unreadable) {
      for (let at = sector; at < sector + sectors; at++) {
        const offset = at * this.#sectorSize
        const covered = this.#covered.filter((each) => each.from <= offset && offset < each.to)
        if (!wanted(covered)) continue
        const { structure, kind } = this.#regionAt(offset)
        const losses = new Set(covered.flatMap(({ loss }) => loss ?? []))
        const loss = losses.size === 0 ? {} : { loss: [...losses].join(', ') }
        addPart(parts, { structure, kind, offset, bytes: this.#sectorSize, ...loss })
      }
    }
    return parts
  }

  /** The number of these bytes that wrap around to the beginning of the data area. */
  #pastEnd(offset: number, bytes: number): number {
    const { dataOffset, dataBlocks, blockSize } = this.#disk.layout
    return Math.max(0, offset + bytes - dataOffset - dataBlocks * blockSize)
  }

  #regionAt(offset: number): Pick<Region, 'structure' | 'kind'> {
    const region = this.#regions.find(({ from, to }) => from <= offset && offset < to)
    return region ?? { structure: 'padding', kind: 'own' }
  }
}

/** Adds a sector, merged with the part before it if both are in one structure. */
function addPart(parts: UnreadablePart[], part: UnreadablePart): void {
  const before = parts.at(-1)
  const joins =
    before !== undefined &&
    before.offset + before.bytes === part.offset &&
    before.structure === part.structure &&
    before.loss === part.loss
  if (joins) parts[parts.length - 1] = { ...before, bytes: before.bytes + part.bytes }
  else parts.push(part)
}

/** A finding for a part that no other finding covers. */
export function findingOf({ structure, kind, offset, bytes }: UnreadablePart): Finding {
  const problem = cannotRead({ offset, bytes })
  return { severity: 'damage', offset, structure, problem, advice: ADVICE[kind] }
}

function regionsOf({ layout, ring }: Disk): readonly Region[] {
  const { superblocks, producerSlots, consumerSlots, leases, blockSize } = layout
  const own = (structure: string, from: number): Region => ({
    structure,
    kind: 'own',
    from,
    to: from + blockSize,
  })
  return [
    { structure: 'guard', kind: 'own', from: 0, to: superblocks[0] },
    ...superblocks.map((from, index) => own(`superblock ${index + 1}`, from)),
    ...producerSlots.map((from, index) => own(`producer slot ${index + 1}`, from)),
    ...consumerSlots.map((from, index) => own(`consumer slot ${index + 1}`, from)),
    { ...own('producer lease', leases.producer), kind: 'lease' },
    { ...own('consumer lease', leases.consumer), kind: 'lease' },
    {
      structure: 'data area',
      kind: 'log',
      from: layout.dataOffset,
      to: layout.dataOffset + layout.dataBlocks * blockSize,
    },
    {
      structure: 'after the ring',
      kind: 'outside',
      from: ring.deviceBytes,
      to: Number.POSITIVE_INFINITY,
    },
  ]
}
