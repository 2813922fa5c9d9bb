import type { SalvageBlockDevice } from '../../block/wrap/salvage.ts'
import type { RepairOptions, RepairReport } from '../report/repair.ts'
import { verify } from './verify.ts'

/**
 * Reports the damage. Writes nothing: there is only one copy of each pointer and nothing has a checksum, so any write
 * would be a guess.
 */
export async function repair(
  device: SalvageBlockDevice,
  options: RepairOptions,
): Promise<RepairReport> {
  const { findings, moreFindings } = await verify(device, options)
  return { format: 1, written: false, actions: [], left: findings, moreLeft: moreFindings }
}
