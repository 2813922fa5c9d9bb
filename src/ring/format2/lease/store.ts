import type { BlockDevice } from '../../../block/device.ts'
import type { Permit } from '../../../block/permit.ts'
import type { Clock } from '../../../clock.ts'
import type { LeaseRecord, LeaseState } from '../../lease-types.ts'
import type { Role } from '../../roles.ts'
import { formatUuid } from '../disk/block.ts'
import { Disk } from '../disk/disk.ts'
import { tooLargeSectors } from '../disk/disk-errors.ts'
import { encodeLease, parseLease } from '../disk/lease-block.ts'
import { readLeaseBlock } from './block.ts'
import { leaseLost } from './errors.ts'

/** A record may be half written when it is read. It is damaged only if it does not change. */
const READS = 5
const PAUSE_MS = 5

/** A lease's offset, and the ring or pool that it belongs to. */
export interface LeasePlace {
  readonly device: BlockDevice
  readonly role: string
  /** Its offset on the device, in bytes. */
  readonly offset: number
  /** Bytes of the record's block. */
  readonly blockSize: number
  /** The identity of the ring or pool, 16 bytes. */
  readonly uuid: Uint8Array
  /** Reads that identity from the device again. */
  identify(): Promise<Uint8Array>
}

/** The place of a ring's lease for a role. */
export function leaseOfRing(disk: Disk, role: Role): LeasePlace {
  const { device, layout, ring, names } = disk
  return {
    device,
    role,
    offset: layout.leases[role],
    blockSize: layout.blockSize,
    uuid: ring.uuid,
    identify: async () => (await Disk.open(device, names)).ring.uuid,
  }
}

/** Reads and writes a role's lease, even one of another host. */
export class LeaseStore {
  readonly device: BlockDevice
  readonly role: string
  /** Offset of the record on the device, in bytes. */
  readonly offset: number
  readonly #place: LeasePlace
  readonly #clock: Clock
  readonly #sectorSize: number

  private constructor(place: LeasePlace, clock: Clock, sectorSize: number) {
    this.device = place.device
    this.role = place.role
    this.offset = place.offset
    this.#place = place
    this.#clock = clock
    this.#sectorSize = sectorSize
  }

  static async open(place: LeasePlace, clock: Clock): Promise<LeaseStore> {
    const { sectorSize } = await place.device.getInfo()
    return new LeaseStore(place, clock, sectorSize)
  }

  /**
   * Checks that the device still holds the ring or pool of this lease. After a wait it may hold other content where the
   * record was.
   * @throws {RingError} `RING_LEASE_LOST`; as `Disk.open`
   */
  async checkPlace(): Promise<void> {
    this.checkUuid(await this.#place.identify())
  }

  /**
   * As `checkPlace`, with an identity that was read already.
   * @throws {RingError} `RING_LEASE_LOST`
   */
  checkUuid(uuid: Uint8Array): void {
    const [expected, found] = [formatUuid(this.#place.uuid), formatUuid(uuid)]
    if (found === expected) return
    throw leaseLost(this, `the device held the ring ${expected}, and holds the ring ${found} now`)
  }

  /** @param first the record's block, if it was read already */
  async read(first?: Uint8Array): Promise<LeaseState> {
    let read = first
    for (let reads = 1; ; reads++) {
      const bytes = read ?? (await readLeaseBlock(this.#place))
      read = undefined
      const state = parseLease(bytes, this.offset, this.#place.uuid)
      if (state.status !== 'damaged' || reads === READS) return state
      await this.#clock.sleep(PAUSE_MS)
    }
  }

  /**
   * Writes the record. It is on stable storage when this resolves. The permit is checked when the write is sent, which
   * may be late.
   * @throws {RingError} `RING_SECTOR_SIZE`
   */
  async write(record: LeaseRecord, permit?: Permit): Promise<void> {
    const { blockSize, uuid } = this.#place
    if (blockSize % this.#sectorSize !== 0) {
      throw tooLargeSectors(this.#place, this.#sectorSize, this.device.name)
    }
    const block = this.device.allocate(blockSize)
    encodeLease(block, this.offset, uuid, record)
    await this.device.write(this.offset / this.#sectorSize, [block], {
      durable: true,
      ...(permit && { permit }),
    })
  }
}
