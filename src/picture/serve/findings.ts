import { verifyRing } from '../../ring/maintenance/verify.ts'
import type { Finding } from '../../ring/report/finding.ts'
import type { Damage } from '../snapshot.ts'
import type { DeviceAccess } from '../watch/access.ts'
import { damageOf } from '../watch/ring-damage.ts'

/** Findings that are drawn and listed. */
const MOST_FINDINGS = 200
/** Format 1 has no blocks: a sector, mostly. */
const SECTOR = 512

/** The findings of `sbr verify`, for the map. */
export interface FoundDamage {
  readonly sound: boolean
  readonly findings: readonly (Damage & Pick<Finding, 'advice'>)[]
  readonly more: number
  /** Items that were checked and are sound; absent if the log could not be read. */
  readonly items?: number
}

/** Checks every unacknowledged item of a ring, and its metadata. */
export async function findingsOf(
  path: string,
  access: DeviceAccess,
  signal: AbortSignal,
): Promise<FoundDamage> {
  await using device = await access.open(path)
  const { sound, findings, moreFindings, log } = await verifyRing(device, { signal })
  const shown = findings.slice(0, MOST_FINDINGS)
  return {
    sound,
    findings: shown.map((finding) => ({
      ...damageOf(finding, SECTOR),
      advice: finding.advice,
    })),
    more: moreFindings + findings.length - shown.length,
    ...(log !== undefined && { items: log.items }),
  }
}
