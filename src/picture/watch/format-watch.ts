import type { Role } from '../../ring/roles.ts'
import type { RingSeen, RoleSeen } from '../snapshot.ts'
import type { Scratch } from './scratch.ts'

/** The part of a snapshot that is read from the device: without its name, the time and the holders. */
export type DeviceSeen = Omit<RingSeen, 'device' | 'at' | 'producer' | 'consumer'> &
  Readonly<Record<Role, Omit<RoleSeen, 'holder'>>>

/** Looks at a ring again and again, without a role. */
export interface FormatWatch {
  /** The key that proves to holders of its roles that this program can read the device; undefined in format 1. */
  readonly key: Uint8Array | undefined
  /**
   * Reads the current state.
   * @throws {RingError} `RING_CORRUPT`, `RING_UNSTABLE`
   * @throws {BlockError} as the device throws it
   * @param scratch memory to read into during the look
   * @throws the signal's reason
   */
  look(signal: AbortSignal, scratch: Scratch): Promise<DeviceSeen>
  /**
   * The state at the last look if the device is unchanged, as far as can be read before this returns; undefined if only
   * `look` can find out.
   */
  lookNow(): DeviceSeen | undefined
}
