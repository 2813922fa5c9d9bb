import type { BlockDevice } from '../../../block/device.ts'
import type { Permit } from '../../../block/permit.ts'
import type { Clock } from '../../../clock.ts'
import type { LeaseRecord, LeaseState } from '../../lease-types.ts'
import { formatUuid } from '../disk/block.ts'
import { Disk } from '../disk/disk.ts'
import { encodeLease, parseLease } from '../disk/lease-block.ts'
import { type LeasedRole, readLeaseBlock } from './block.ts'
import { leaseLost } from './errors.ts'

/** A record may be half written when it is read: it is damaged only if it does not change. */
const READS = 5
const PAUSE_MS = 5

/** Reads and writes the lease of a role, whoever holds it. */
export class LeaseStore {
  readonly device: BlockDevice
  readonly role: LeasedRole
  /** Where the record is on the device, in bytes from its start. */
  readonly offset: number
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #sectorSize: number

  private constructor(disk: Disk, role: LeasedRole, clock: Clock, sectorSize: number) {
    this.device = disk.device
    this.role = role
    this.offset = disk.layout.leases[role]
    this.#disk = disk
    this.#clock = clock
    this.#sectorSize = sectorSize
  }

  static async open(disk: Disk, role: LeasedRole, clock: Clock): Promise<LeaseStore> {
    const { sectorSize } = await disk.device.getInfo()
    return new LeaseStore(disk, role, clock, sectorSize)
  }

  /**
   * Checks that the device still holds the ring of this lease: after a wait it may be another one, with something else where the
   * record was.
   * @throws {RingError} `RING_LEASE_LOST`; as `Disk.open`
   */
  async checkRing(device: BlockDevice = this.device): Promise<Disk> {
    const disk = await Disk.open(device, this.#disk.names)
    const [expected, found] = [formatUuid(this.#disk.ring.uuid), formatUuid(disk.ring.uuid)]
    if (found === expected) return disk
    throw leaseLost(this, `the device held the ring ${expected}, and holds the ring ${found} now`)
  }

  /** @param first the record's block, if it has been read */
  async read(first?: Uint8Array): Promise<LeaseState> {
    let read = first
    for (let reads = 1; ; reads++) {
      const bytes = read ?? (await readLeaseBlock(this.#disk, this.role))
      read = undefined
      const state = parseLease(bytes, this.offset, this.#disk.ring.uuid)
      if (state.status !== 'damaged' || reads === READS) return state
      await this.#clock.sleep(PAUSE_MS)
    }
  }

  /** Writes the record; it is on stable storage when this resolves. The permit is asked when the write is sent, which may be late. */
  async write(record: LeaseRecord, permit?: Permit): Promise<void> {
    const block = this.device.allocate(this.#disk.layout.blockSize)
    encodeLease(block, this.offset, this.#disk.ring.uuid, record)
    await this.device.write(this.offset / this.#sectorSize, [block], {
      durable: true,
      ...(permit && { permit }),
    })
  }
}
