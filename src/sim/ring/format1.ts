import { attachConsumer } from '../../ring/format1/consumer.ts'
import { createRing } from '../../ring/format1/create.ts'
import { inspect } from '../../ring/format1/inspect.ts'
import { recordBytes } from '../../ring/format1/layout.ts'
import { attachProducer } from '../../ring/format1/producer.ts'
import type { FaultKind } from '../world/faults.ts'
import type { Random } from '../world/random.ts'
import type { Guarantees, RingUnderTest, Shape } from './guarantees.ts'

/** Faults under which format 1 guarantees only that attaching is bounded and that errors are typed. */
const OUT_OF_REACH: readonly FaultKind[] = [
  'lostWrite',
  'misdirectedWrite',
  'misdirectedRead',
  'staleRead',
  'stalePage',
  'silentReset',
  'rot',
  'rollback',
  'tornSector',
  'lateWrite',
]

/** A refresh reads both pointers up to 64 times; everything else that attaching reads and writes is less than this. */
const ATTACH_REQUESTS = 3 * 64 + 16

/**
 * Format 1, and what it guarantees.
 *
 * It is lossless (see {@link Guarantees}) as long as the device is honest: when processes are killed at any await,
 * the power fails with any subset of unflushed sectors kept in any order, multi-sector reads and writes are seen
 * and kept in part, reads are torn within a sector while it is written, reads, writes and flushes fail with EIO,
 * a sector becomes unreadable (then only the error is guaranteed, until it is written again), the storage
 * loses its cache and says so by failing the next flush, and a second handle of a role takes turns with the first
 * and advances in its first turn (before that, nothing on the device shows it).
 *
 * It has no checksums, no identity and no sequence numbers in the data. So it guarantees nothing about items when bits
 * rot, requests go elsewhere or nowhere, reads are stale (also by the page cache of another host), the storage
 * loses its cache silently (unflushed writes of a push that took several are then lost, although its flush
 * succeeded), power cuts tear a sector (the tail sector is rewritten while it holds committed items), writes of a
 * dead producer land after its successor began, or the disk is rolled back. Even then attaching is bounded, nothing
 * hangs, memory is bounded, and errors are typed.
 */
export const format1: RingUnderTest = {
  name: '1',
  create: (device) => createRing(device, {}),
  attachProducer: (device, options) => attachProducer(device, options),
  attachConsumer: (device, options) => attachConsumer(device, options),
  guarantees,
  shape,
  depth: async (device) => ({ bytes: (await inspect(device)).usedBytes }),
  depthBytes: recordBytes,
}

function guarantees(faults: ReadonlySet<FaultKind>): Guarantees {
  const trusted = !OUT_OF_REACH.some((kind) => faults.has(kind)) && !faults.has('latent')
  return {
    lossless: trusted,
    losses: { overwritten: false, damaged: false },
    damagedAtOnce: Number.POSITIVE_INFINITY,
    authentic: trusted,
    errors: errors(faults, trusted),
    attachTakesOver: false,
    // Longer than any refresh is relied on.
    quietMs: 12,
    attachRequests: ATTACH_REQUESTS,
  }
}

function errors(faults: ReadonlySet<FaultKind>, trusted: boolean): ReadonlySet<string> {
  const codes = new Set<string>()
  const failing: readonly FaultKind[] = ['readError', 'writeError', 'flushError', 'reset', 'latent']
  if (failing.some((kind) => faults.has(kind))) codes.add('BLOCK_IO')
  if (faults.has('secondHandle')) codes.add('RING_ROLE_CONFLICT')
  // A failed flush or a reset undoes what the other side has already read: it reports a pointer that went back.
  if (faults.has('flushError') || faults.has('reset')) {
    codes.add('RING_CORRUPT')
    codes.add('RING_ROLE_CONFLICT')
  }
  if (!trusted) {
    for (const code of ['RING_CORRUPT', 'RING_UNSTABLE', 'RING_ROLE_CONFLICT', 'RangeError']) {
      codes.add(code)
    }
    codes.add('RING_NOT_INITIALISED')
    // If there is no magic at the start, it is looked for where larger sectors would have it.
    codes.add('RING_SECTOR_SIZE')
  }
  return codes
}

function shape(random: Random, tornSector: boolean): Shape {
  const sectorSize = tornSector ? 2048 : random.pick([512, 512, 512, 1024])
  const sizeSectors = random.between(4, 9)
  const physicalSectorSize = tornSector
    ? 512
    : sectorSize *
      random.weighted([
        [7, 1],
        [1, 2],
        [1, 8],
      ] as const)
  return { sectorSize, sizeSectors, physicalSectorSize }
}
