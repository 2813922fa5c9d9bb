import { RingError } from '../../../errors.ts'
import type { LeaseRecord, LeaseState } from '../../lease-types.ts'

/** The lease that an error is about. */
interface LeaseOf {
  readonly device: { readonly name: string }
  readonly role: string
  /** Offset of the record on the device, in bytes. */
  readonly offset: number
}

/** The command that frees a role whose host is gone for good. */
export function breakCommand({ device, role }: LeaseOf): string {
  return `sbr lease break ${device.name} --role ${role}`
}

/** Another host holds the role. */
export function leasedBy(
  { device, role, offset }: LeaseOf,
  { owner, time, timeoutMs }: LeaseRecord,
  advice: string,
  cause?: unknown,
): RingError {
  const holder = JSON.stringify(owner)
  return new RingError(
    'RING_LEASED',
    `The ${role}'s role of ${device.name} is leased by ${holder}, which last renewed it at ` +
      `${new Date(time).toISOString()} by its own clock and may be silent for ${timeoutMs / 1000} s: ${advice}`,
    { device: device.name, field: `${role} lease`, offset, holder: owner },
    cause,
  )
}

/** The record is damaged, so the role may be held. */
export function leaseDamaged(
  lease: LeaseOf,
  { field, expected, found }: LeaseState & { readonly status: 'damaged' },
): RingError {
  const { device, role, offset } = lease
  return new RingError(
    'RING_CORRUPT',
    `The lease of the ${role}'s role on ${device.name} is damaged: field ${field}: expected ${expected}, found ` +
      `${found}. If no host holds this role, break the lease: ${breakCommand(lease)}`,
    { device: device.name, field: `${role} lease ${field}`, offset, expected, found },
  )
}

/** This host no longer holds the role, or has to assume so. */
export function leaseLost(
  { device, role, offset }: LeaseOf,
  reason: string,
  cause?: unknown,
): RingError {
  return new RingError(
    'RING_LEASE_LOST',
    `The lease of the ${role}'s role of ${device.name} is over: ${reason}. Operations without a result may or may not ` +
      'have happened; attach again',
    { device: device.name, field: `${role} lease`, offset },
    cause,
  )
}
