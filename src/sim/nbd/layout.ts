import type { PartitionOptions } from '../../block/wrap/partition.ts'
import type { Shape } from '../ring/guarantees.ts'

/** Bytes of a neighbour's part, about. */
const NEIGHBOUR_BYTES = 24 << 10

/** Where things are on the disk, in sectors. */
export interface DiskLayout {
  /** All of it. */
  readonly sectors: number
  readonly ring: PartitionOptions
  /** By role. */
  readonly neighbours: Readonly<Record<string, PartitionOptions>>
}

/** A ring's disk between the parts of two neighbours. No two share a unit that is kept or lost together. */
export function layoutOf({ sectorSize, sizeSectors, physicalSectorSize }: Shape): DiskLayout {
  const step = Math.max(sectorSize, physicalSectorSize)
  const rounded = (bytes: number): number => (Math.ceil(bytes / step) * step) / sectorSize
  const neighbour = rounded(NEIGHBOUR_BYTES)
  const second = neighbour + rounded(sizeSectors * sectorSize)
  return {
    sectors: second + neighbour,
    ring: { sectorStart: neighbour, sectors: sizeSectors },
    neighbours: {
      producer: { sectorStart: 0, sectors: neighbour },
      consumer: { sectorStart: second, sectors: neighbour },
    },
  }
}
