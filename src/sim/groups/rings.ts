import type { BlockDevice } from '../../block/device.ts'
import { PartitionBlockDevice } from '../../block/wrap/partition.ts'
import { Pool } from '../../pool/index.ts'
import { Producer } from '../../ring/access/attach.ts'
import { POOL_START, POOL_UNIT } from '../../ring/format2/disk/directory.ts'
import { MAX_ALLOCATION, SimDevice } from '../world/device.ts'
import { SimDisk } from '../world/disk.ts'
import { RequestNames, SimHost, SimProcess } from '../world/process.ts'
import type { World } from '../world/world.ts'
import type { GroupsPlan } from './plan.ts'

/** Bytes of a ring. */
const RING_BYTES = POOL_UNIT

/** A disk with room for the rings of a plan. */
export function diskFor({ layout, rings, sectorSize }: GroupsPlan): SimDisk {
  const bytes = (layout === 'pool' ? POOL_START : 0) + rings * RING_BYTES
  return new SimDisk({ sectorSize, sizeSectors: bytes / sectorSize })
}

/** The rings of a group, on the disk of its world: in a pool, or each in a partition. */
export class GroupRings {
  readonly #plan: GroupsPlan
  readonly #world: World

  constructor(plan: GroupsPlan, world: World) {
    this.#plan = plan
    this.#world = world
  }

  /** Makes the rings, without faults. */
  async make(): Promise<void> {
    const { layout, rings, sectorSize } = this.#plan
    this.#world.healed = true
    const process = this.outside('maker')
    const { clock } = process
    if (layout === 'pool') {
      const device = this.#view(process)
      await Pool.create(device, { clock })
      const pool = await Pool.open(device, { clock })
      for (let ring = 0; ring < rings; ring++) {
        await pool.add(`ring-${ring}`, { sizeBytes: RING_BYTES, blockSize: sectorSize })
      }
    } else {
      for (const ring of await this.open(process)) {
        await Producer.create(ring, { clock, blockSize: sectorSize })
      }
    }
    process.exit()
    this.#world.healed = false
  }

  /**
   * A process that belongs to neither members nor producers, on a machine of its own unless there is another for it.
   */
  outside(name: string, host: SimHost = new SimHost(name)): SimProcess {
    return new SimProcess(this.#world, host, new RequestNames(name))
  }

  /** The rings, opened by a process. */
  async open(process: SimProcess): Promise<readonly BlockDevice[]> {
    const { layout, rings, sectorSize } = this.#plan
    const device = this.#view(process)
    const opened: BlockDevice[] = []
    const pool = layout === 'pool' ? await Pool.open(device, { clock: process.clock }) : undefined
    const sectors = RING_BYTES / sectorSize
    for (let ring = 0; ring < rings; ring++) {
      const part =
        pool === undefined
          ? PartitionBlockDevice.open(device, { sectorStart: ring * sectors, sectors })
          : pool.open(`ring-${ring}`)
      opened.push(await part)
    }
    return opened
  }

  #view(process: SimProcess): SimDevice {
    return new SimDevice(process, { claims: true, maxAllocation: MAX_ALLOCATION })
  }
}
