import type { DeviceAccess } from '../../picture/watch/access.ts'
import { asCommandError } from '../errors.ts'
import type { CommonFlags } from '../flags/flags.ts'
import { openDevice } from './device.ts'
import { holdersOf } from './take-roles.ts'

/** Devices for pictures, opened as the flags say. */
export function pictureAccess(flags: CommonFlags): DeviceAccess {
  return {
    open: (path) => openDevice(path, 'read-only', flags),
    holdersOf,
    explain: asCommandError,
  }
}
