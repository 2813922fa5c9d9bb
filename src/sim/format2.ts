import { attachConsumer } from '../ring/format2/consumer.ts'
import { createRing } from '../ring/format2/create.ts'
import { makeLayout } from '../ring/format2/layout.ts'
import { attachProducer } from '../ring/format2/producer.ts'
import { IDLE_MS } from '../ring/format2/role.ts'
import type { FaultKind } from './faults.ts'
import type { Promises, RingUnderTest, Shape } from './promises.ts'
import type { Random } from './random.ts'

/** Faults that no format can mask: what is lost then has to be reported, if it can be known at all. */
const NOT_MASKED: readonly FaultKind[] = [
  'rot',
  'latent',
  'rollback',
  'lostWrite',
  'misdirectedWrite',
  'misdirectedRead',
  'staleRead',
  'stalePage',
]

const BLOCK_BYTES = 512
const UNIT_BYTES = 4096

/**
 * Format 2, and what it promises: lossless under everything that an honest device does, power cuts that tear
 * blocks, late writes of dead producers and silent loss of the cache included. Under all other faults, what it
 * delivers was pushed, byte for byte, and errors are typed.
 */
export const format2: RingUnderTest = {
  name: '2',
  create: (device, options = {}) =>
    createRing(device, {
      ...options,
      blockSize: BLOCK_BYTES,
      uuid: new Uint8Array(16).fill(7),
    }),
  attachProducer: (device, options) => attachProducer(device, options),
  attachConsumer: (device, options) => attachConsumer(device, options),
  promises,
  shape,
}

function promises(faults: ReadonlySet<FaultKind>): Promises {
  return {
    lossless: !NOT_MASKED.some((kind) => faults.has(kind)),
    authentic: !faults.has('rollback'),
    errors: errors(faults),
    attachTakesOver: false,
    // Longer than a handle waits, after its last use, before it writes down where it is.
    quietMs: 2 * IDLE_MS + 12,
    attachRequests: 300,
  }
}

function errors(faults: ReadonlySet<FaultKind>): ReadonlySet<string> {
  // A part of one push may find no room to be shown; and a handle may end while nobody uses it.
  const codes = new Set<string>(['RING_OVERLOADED', 'RING_POISONED'])
  const failing: readonly FaultKind[] = ['readError', 'writeError', 'flushError', 'reset', 'latent']
  if (failing.some((kind) => faults.has(kind))) codes.add('BLOCK_IO')
  const taken: readonly FaultKind[] = ['secondHandle', 'lateWrite', 'silentReset', 'reset']
  if (taken.some((kind) => faults.has(kind))) codes.add('RING_ROLE_CONFLICT')
  if (NOT_MASKED.some((kind) => faults.has(kind))) {
    for (const code of ['RING_CORRUPT', 'RING_DAMAGED', 'RING_UNSTABLE', 'RING_ROLE_CONFLICT']) {
      codes.add(code)
    }
    codes.add('RING_NOT_INITIALISED')
    codes.add('RangeError')
  }
  return codes
}

function shape(random: Random, _tornSector: boolean): Shape {
  const units = random.pick([1, 1, 2])
  const { dataOffset } = makeLayout(BLOCK_BYTES, 1 << 20, 'sim')
  return {
    sectorSize: BLOCK_BYTES,
    sizeSectors: (dataOffset + (units + 1) * UNIT_BYTES) / BLOCK_BYTES,
    physicalSectorSize: BLOCK_BYTES * random.pick([1, 1, 8]),
  }
}
