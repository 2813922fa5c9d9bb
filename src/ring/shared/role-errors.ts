import { RingError } from '../../errors.ts'
import type { Role } from '../roles.ts'

// The reasons why a handle has ended. Loaded only then.

/** The handle ended earlier. */
export function poisoned(device: string, cause: unknown): RingError {
  return new RingError(
    'RING_POISONED',
    'This handle ended when a write failed or another one interfered (see the cause): close it, ' +
      `open ${device} and attach again`,
    { device },
    cause,
  )
}

/** Another program wrote what only this role writes. */
export function conflicting(
  device: string,
  role: Role,
  sector: number,
  expected: string,
  found: string,
): RingError {
  return new RingError(
    'RING_ROLE_CONFLICT',
    `Another ${role} has written to ${device}: sector ${sector}, field ${role}: expected ${expected}, ` +
      `found ${found}; make sure that there is only one, then attach again`,
    { device, sector, field: role, expected, found },
  )
}
