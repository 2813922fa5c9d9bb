import { readRange } from '../../../block/read-range.ts'
import type { Clock } from '../../../clock.ts'
import type { Findings } from '../../report/finding.ts'
import type { Role } from '../../roles.ts'
import { type BadBlock, bad, isBad, textOf } from '../disk/block.ts'
import { describeRing } from '../disk/describe-ring.ts'
import type { Disk } from '../disk/disk.ts'
import { encodeGuard, GUARD_BYTES } from '../disk/guard.ts'
import type { Read, Slots } from '../disk/slots.ts'
import { parseSuperblock } from '../disk/superblock.ts'
import { isSameRing } from '../disk/superblock-copy.ts'
import { breakCommand } from '../lease/errors.ts'
import { LeaseStore, leaseOfRing } from '../lease/store.ts'
import { slotsMisfit } from '../role.ts'

/** The advice for a structure that has a second copy. */
export const REPAIR = 'sbr repair --write writes it again'
const REBUILD =
  'the role cannot attach; sbr repair --rebuild --write rebuilds its slots from the log'
/** The advice if copies of the superblock are valid but differ. */
export const DISAGREE =
  'sbr dump shows them; overwrite the block of the wrong one with zeroes, then sbr repair --write writes it again'

/** A copy of the superblock that differs from the others. */
export interface WrongCopy {
  readonly offset: number
  readonly structure: string
  readonly problem: BadBlock
  /** The copy is valid but different; nothing shows which one is right. */
  readonly disagrees: boolean
}

/** Reads one block. */
export async function readBlock(disk: Disk, offset: number): Promise<Uint8Array> {
  const { blockSize } = disk.layout
  return (await readRange(disk.device, offset, blockSize)).bytes.subarray(0, blockSize)
}

/** The offset at which the guard is damaged; undefined if it is intact. */
export async function guardDamage(disk: Disk): Promise<number | undefined> {
  const { bytes } = await readRange(disk.device, 0, GUARD_BYTES)
  const at = encodeGuard().findIndex((byte, index) => bytes[index] !== byte)
  return at < 0 ? undefined : at
}

/** Copies of the superblock that are damaged, or differ from the one by which the ring was opened. */
export async function wrongSuperblocks(disk: Disk): Promise<readonly WrongCopy[]> {
  const wrong: WrongCopy[] = []
  for (const [index, offset] of disk.layout.superblocks.entries()) {
    const found = parseSuperblock(await readBlock(disk, offset), offset)
    const structure = `superblock ${index + 1}`
    if (isBad(found)) {
      wrong.push({ offset, structure, problem: found, disagrees: false })
    } else if (!isSameRing(found, disk.ring)) {
      const problem = bad('ring', describeRing(disk.ring), describeRing(found))
      wrong.push({ offset, structure, problem, disagrees: true })
    }
  }
  return wrong
}

/** Checks the structures outside the log that are written once, and the leases. */
export async function checkFixed(disk: Disk, findings: Findings, clock: Clock): Promise<void> {
  const at = await guardDamage(disk)
  if (at !== undefined) {
    findings.add({
      severity: 'damage',
      offset: at,
      structure: 'guard',
      problem: 'a byte that keeps older programs away has changed',
      advice: `no item is lost; ${REPAIR}`,
    })
  }
  for (const { offset, structure, problem, disagrees } of await wrongSuperblocks(disk)) {
    const advice = disagrees ? DISAGREE : `another copy is sound, so nothing is lost; ${REPAIR}`
    findings.add({ severity: 'damage', offset, structure, problem: textOf(problem), advice })
  }
  await checkLeases(disk, findings, clock)
}

/**
 * Checks the leases. A damaged one counts as held. A record may be half written, so it is damaged only if it stays the
 * same when it is read again.
 */
export async function checkLeases(disk: Disk, findings: Findings, clock: Clock): Promise<void> {
  for (const role of ['producer', 'consumer'] as const) {
    const store = await LeaseStore.open(leaseOfRing(disk, role), clock)
    const lease = await store.read()
    if (lease.status !== 'damaged') continue
    findings.add({
      severity: 'damage',
      offset: store.offset,
      structure: `${role} lease`,
      problem: textOf(lease),
      advice:
        `no item is lost, but no ${role} can attach; make sure that no host has this role, then ` +
        `${breakCommand(store)} frees it`,
    })
  }
}

/** Checks the slots of both roles. */
export function checkSlots(disk: Disk, slots: Slots, findings: Findings): void {
  checkRole(disk, 'producer', slots, findings)
  checkRole(disk, 'consumer', slots, findings)
}

/** Checks both slots of a role. */
export function checkRole(disk: Disk, role: Role, slots: Slots, findings: Findings): void {
  const offsets = disk.layout[`${role}Slots`]
  const pair: readonly [Generation, Generation] = slots[role]
  const [first, second] = pair
  for (const which of [0, 1] as const) {
    const slot = pair[which]
    if (!isBad(slot)) continue
    findings.add({
      severity: 'damage',
      offset: offsets[which],
      structure: `${role} slot ${which + 1}`,
      problem: textOf(slot),
      advice: pair.every(isBad)
        ? REBUILD
        : `the other slot is sound; ${REPAIR}, and so does the ${role}`,
    })
  }
  if (isBad(first) || isBad(second)) return
  const both = { offset: offsets[0], structure: `${role} slots` }
  const problem = slotsMisfit(slots, role)
  if (problem !== undefined) {
    findings.add({ ...both, severity: 'damage', problem: textOf(problem), advice: REBUILD })
  } else if (first.generation === second.generation) {
    findings.add({
      ...both,
      severity: 'warning',
      problem: `both have generation ${first.generation}, as if two had written at the same time`,
      advice: `make sure that there is only one ${role}`,
    })
  }
}

/** The part of a slot that this check needs. */
type Generation = Read<{ readonly generation: number }>
