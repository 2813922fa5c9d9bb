import { createHash } from 'node:crypto'
import { constants, open } from 'node:fs'
import { promisify } from 'node:util'
import type { Native } from '../native/calls.ts'
import { closeQuietly } from '../native/close.ts'

/** Locks are taken here, beyond all data. */
const LOCKS_START = 1n << 62n

/** The most times that a lock may be released just before its holder is identified. */
const MAX_ATTEMPTS = 5

/** The file that is locked. */
export interface LockTarget {
  readonly fd: number
  readonly writable: boolean
  readonly native: Native | undefined
}

/** The result of locking a role's byte. */
export type Lock =
  /** It is ours until the descriptor is closed. */
  | { readonly kind: 'held'; readonly fd: number }
  /** A process that can write to the device holds it. */
  | { readonly kind: 'taken' }
  /** A process holds a read lock, which only takes the right to read: no role holder does that. */
  | { readonly kind: 'obstructed' }
  /** No lock is supported here. */
  | { readonly kind: 'none' }

/** Locks the byte of a role. */
export async function lockRole(target: LockTarget, role: string): Promise<Lock> {
  const { fd, native, writable } = target
  if (native === undefined || !writable) return { kind: 'none' }
  // A separate open file, because its locks belong to it and not to the process; through /proc, because the path may
  // lead to another file by now. Without /proc there is no lock.
  const own = await promisify(open)(`/proc/self/fd/${fd}`, constants.O_RDWR).catch(() => undefined)
  if (own === undefined) return { kind: 'none' }
  const byte = byteOf(role)
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const outcome = native.lockByte(own, byte)
    if (outcome === 'locked') return { kind: 'held', fd: own }
    const inTheWay = native.lockOf(fd, byte)
    if (outcome === 'held' && inTheWay === 'none') continue
    await closeQuietly(own)
    if (outcome === 'unsupported') return { kind: 'none' }
    return { kind: inTheWay === 'write' ? 'taken' : 'obstructed' }
  }
  await closeQuietly(own)
  return { kind: 'taken' }
}

/** True if any process, in any container, has locked a role's byte; false if that cannot be determined. */
export function isRoleLocked({ fd, native }: LockTarget, role: string): boolean {
  return native?.lockOf(fd, byteOf(role)) === 'write'
}

function byteOf(role: string): bigint {
  const hash = createHash('sha256').update(role).digest().readUIntBE(0, 5)
  return LOCKS_START + BigInt(hash)
}
