import { checkWhole } from '../../../util/numbers.ts'
import { checkOptions, type OptionKinds, shown } from '../../../util/options.ts'
import type { LeaseOptions } from '../../lease-types.ts'
import { isOwner, OWNER_RULE, TIMEOUT_MS } from '../disk/lease-block.ts'

const LEASE_KINDS: OptionKinds<LeaseOptions> = {
  owner: 'string',
  timeoutMs: 'number',
  fence: 'function',
  unfenced: 'boolean',
  reclaim: 'boolean',
  onWatch: 'function',
}

/**
 * Validates the options of a lease.
 * @throws {TypeError | RangeError} an option is out of range
 */
export function checkLeaseOptions(options: LeaseOptions): void {
  checkOptions('lease', options, LEASE_KINDS)
  const { owner, timeoutMs = TIMEOUT_MS.default, fence, unfenced = false } = options
  if (!isOwner(owner)) {
    throw new RangeError(`a lease's owner has ${OWNER_RULE}, not ${shown(owner)}`)
  }
  checkWhole({ 'lease.timeoutMs': timeoutMs }, TIMEOUT_MS.least, TIMEOUT_MS.most)
  if (unfenced && fence !== undefined) {
    throw new RangeError('a lease is taken over with a fence or unfenced, not both')
  }
}
