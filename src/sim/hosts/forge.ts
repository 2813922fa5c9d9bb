import { encodeLease, newNonce, parseLease } from '../../ring/format2/disk/lease-block.ts'
import type { LeaseRecord } from '../../ring/lease-types.ts'
import type { SimDisk } from '../world/disk.ts'
import { LEASE_SECTOR } from './fate.ts'
import type { Forgery } from './plan.ts'

/** The owner in a forged record that is well-formed. */
export const FORGER = 'forger'

/** What is wrong with a record, by the kind of forgery. */
const WRONG: Readonly<Record<Forgery['what'], Partial<LeaseRecord>>> = {
  owner: { owner: '--help' },
  timeout: { timeoutMs: 2 ** 32 - 1 },
  counter: { counter: Number.MAX_SAFE_INTEGER },
  epoch: { epoch: Number.MAX_SAFE_INTEGER },
  copy: {},
  held: { owner: FORGER, timeoutMs: 3_600_000, nonce: newNonce() },
}

/**
 * Replaces the record on the disk by a forged one with a valid checksum, if a host holds the role by that record.
 * @returns whether it did
 */
export function forge({ what }: Forgery, disk: SimDisk): boolean {
  const at = LEASE_SECTOR * disk.sectorSize
  const block = disk.visible.slice(at, at + disk.sectorSize)
  const uuid = block.slice(24, 40)
  const found = parseLease(block, at, uuid)
  if (found.status !== 'held') return false
  // What is copied is the record of another ring.
  if (what === 'copy') uuid.reverse()
  encodeLease(block, at, uuid, { ...found, ...WRONG[what] })
  disk.flush(disk.apply(at, block))
  return true
}
