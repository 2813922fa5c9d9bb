import type { FlagParametersForType } from '@stricli/core'
import { ROLES, type Role } from '../../ring/roles.ts'
import type { Limits } from '../device/check-ring.ts'
import { usageError } from '../errors.ts'
import { parseDuration, parsePercent } from './size.ts'

/** The limits of rings. */
export const limitFlags: FlagParametersForType<Limits> = {
  maxAge: {
    kind: 'parsed',
    brief: 'How long an item may wait',
    placeholder: 'TIME',
    optional: true,
    parse: parseDuration,
  },
  maxFill: {
    kind: 'parsed',
    brief: 'How full a ring may be',
    placeholder: 'PERCENT',
    optional: true,
    parse: parsePercent,
  },
  maxLeaseAge: {
    kind: 'parsed',
    brief: 'How long a lease may go without being renewed',
    placeholder: 'TIME',
    optional: true,
    parse: parseDuration,
  },
  atWork: {
    kind: 'parsed',
    brief: 'Roles that a process on this machine has to hold: producer,consumer',
    placeholder: 'ROLES',
    optional: true,
    parse: parseRoles,
  },
}

function parseRoles(text: string): readonly Role[] {
  return text.split(',').map((name) => {
    const role = ROLES.find((one) => one === name)
    if (role === undefined)
      throw usageError(`expected producer, consumer, or producer,consumer, found '${text}'`)
    return role
  })
}
