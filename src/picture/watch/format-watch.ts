import type { Role } from '../../ring/roles.ts'
import type { RingSeen, RoleSeen } from '../snapshot.ts'
import type { Scratch } from './scratch.ts'

/** What is seen on a device itself: not by which name, not when, and not who is at work. */
export type DeviceSeen = Omit<RingSeen, 'device' | 'at' | 'producer' | 'consumer'> &
  Readonly<Record<Role, Omit<RoleSeen, 'holder'>>>

/** Looks at a ring again and again, without a role. */
export interface FormatWatch {
  /** What a reader of the device knows, and tells those who hold its roles; undefined in format 1. */
  readonly key: Uint8Array | undefined
  /**
   * What is there now.
   * @throws {RingError} `RING_CORRUPT`, `RING_UNSTABLE`
   * @throws {BlockError} as the device throws it
   * @param scratch what is read into, as long as it looks
   * @throws the signal's reason
   */
  look(signal: AbortSignal, scratch: Scratch): Promise<DeviceSeen>
}
