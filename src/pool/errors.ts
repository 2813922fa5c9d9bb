import { RingError } from '../errors.ts'
import type { BadBlock } from '../ring/format2/disk/block.ts'
import { textOf } from '../ring/format2/disk/block.ts'
import { featuresOf } from '../ring/format2/disk/describe-ring.ts'
import type { UnknownFeatures } from '../ring/format2/disk/superblock.ts'
import { shellWord } from '../util/shell-word.ts'

/** Each error of a pool, with what to do about it. */

export function noPool(device: string, found: string): RingError {
  // Whoever names a ring in it means a pool; creating one over a single ring would destroy that.
  const advice = found.startsWith('a ring')
    ? 'it is one ring, not a pool: open it without the name of a ring'
    : `if it is the right device, create the pool first: sbr pool create ${shellWord(device)}`
  return new RingError(
    'RING_NOT_INITIALISED',
    `Expected a pool of rings on ${device}, found ${found}; ${advice}`,
    { device, field: 'pool', expected: 'a pool of rings', found },
  )
}

export function damagedPool(device: string, offset: number, problem: BadBlock): RingError {
  const { expected, found } = problem
  return new RingError(
    'RING_CORRUPT',
    `Neither copy of the directory of the pool on ${device} can be used; the one at byte ${offset}: ${textOf(problem)}. Nothing was ` +
      'changed; keep a copy of the device, and restore it from a backup',
    { device, field: `directory ${problem.field}`, offset, expected, found },
  )
}

export function unguardedPool(device: string): RingError {
  return new RingError(
    'RING_CORRUPT',
    `The guard at the start of ${device} is gone; the directory of a pool after it is there. Keep a copy of the device; the first ` +
      '12,288 bytes of any other pool are the same: write them to its start',
    { device, field: 'guard', offset: 0, expected: 'the guard of a pool', found: 'something else' },
  )
}

export function contradictory(device: string, offset: number): RingError {
  return new RingError(
    'RING_CORRUPT',
    `The two copies of the directory of the pool on ${device} contradict each other: both are valid, and of the same generation or of two ` +
      'pools. Two hosts may have changed it at the same time. Nothing was changed; keep a copy of the device, and overwrite the wrong copy ' +
      'with zeroes',
    {
      device,
      field: 'directory',
      offset,
      expected: 'copies of one directory',
      found: 'two directories that disagree',
    },
  )
}

export function unsupportedPool(device: string, features: UnknownFeatures): RingError {
  const found = featuresOf(features)
  return new RingError(
    'RING_UNSUPPORTED',
    `The pool on ${device} uses features that this version does not support (${found}); use a newer one`,
    { device, field: 'features', expected: 'none', found },
  )
}

export function unstablePool(device: string): RingError {
  return new RingError(
    'RING_UNSTABLE',
    `The directory of the pool on ${device} changed each time it was read; try again`,
    { device, field: 'directory' },
  )
}

export function otherPool(device: string, expected: string, found: string): RingError {
  return new RingError(
    'RING_CORRUPT',
    `${device} held the pool ${expected}, and holds the pool ${found} now; open it again`,
    { device, field: 'uuid', expected, found },
  )
}

export function shrunkPool(device: string, expected: number, found: number): RingError {
  return new RingError(
    'RING_DEVICE_TOO_SMALL',
    `${device} has ${found} bytes, and its pool was made for ${expected}: the device has shrunk, or is cut off. Restore its original size`,
    { device, field: 'pool', expected: `at least ${expected} bytes`, found: String(found) },
  )
}

export function noRing(device: string, ring: string, rings: number): RingError {
  const shown = JSON.stringify(ring)
  return new RingError(
    'RING_NOT_FOUND',
    `The pool on ${device} has no ring ${shown}; it has ${rings}: sbr pool list ${shellWord(device)}. To add it: sbr pool add ${shellWord(device)} ${shellWord(ring)} --size SIZE`,
    { device, expected: `a ring ${shown}`, found: `${rings} others` },
  )
}

export function ringExists(device: string, ring: string): RingError {
  const shown = JSON.stringify(ring)
  return new RingError(
    'RING_EXISTS',
    `The pool on ${device} has a ring ${shown} already; it was not changed. Choose another name, or remove that ring first`,
    { device, expected: `no ring ${shown}`, found: 'one' },
  )
}

export function ringRemoved(device: string): RingError {
  return new RingError(
    'RING_REMOVED',
    `${device} was removed from its pool since it was opened; nothing was written. Open it again if there is another ring of that name`,
    { device },
  )
}

export function notEmpty(device: string, ring: string, reason: string): RingError {
  return new RingError(
    'RING_NOT_EMPTY',
    `${device}#${ring} ${reason}; it was not removed. To remove it anyway, use discardItems: true, or: sbr pool remove ${shellWord(device)} ${shellWord(ring)} --force`,
    { device },
  )
}

export function poolFull(device: string, wanted: number, free: number, largest: number): RingError {
  return new RingError(
    'RING_POOL_FULL',
    `The pool on ${device} has no room for a ring of ${wanted} bytes: ${free} are free, at most ${largest} of them in one piece. Choose a ` +
      `smaller size, remove a ring, or enlarge the device and then: sbr pool grow ${shellWord(device)}`,
    { device, expected: `${wanted} bytes in one piece`, found: String(largest) },
  )
}

export function directoryFull(device: string, rings: number): RingError {
  return new RingError(
    'RING_POOL_FULL',
    `The directory of the pool on ${device} has room for ${rings} rings, and has them; make another pool`,
    { device, expected: `less than ${rings} rings`, found: String(rings) },
  )
}

export function poolTooSmall(device: string, minimum: number, found: number): RingError {
  return new RingError(
    'RING_DEVICE_TOO_SMALL',
    `${device} has ${found} bytes; a pool needs at least ${minimum}, of which its directory takes 2 MiB`,
    { device, field: 'pool', expected: `at least ${minimum} bytes`, found: String(found) },
  )
}
