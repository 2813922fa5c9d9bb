import type { BlockDevice } from '../block/device.ts'
import { type RingHolders, whoHolds } from '../ring/access/holders.ts'
import { inspectRing } from '../ring/access/inspect.ts'
import { type RingLeases, readLeases } from '../ring/access/lease.ts'
import type { RingInspection } from '../ring/inspection.ts'

/** An inspection of a ring, with its leases and holders. */
export interface RingSurvey {
  /** The ring's name in metrics and messages. */
  readonly device: string
  /** The time of the survey, in milliseconds since 1970, by this machine's clock. */
  readonly at: number
  readonly state: SurveyedState
  /** Undefined in format 1, which has none. */
  readonly leases: RingLeases | undefined
  /** The holders of the roles on this machine. Undefined if the device cannot tell. */
  readonly holders: RingHolders | undefined
}

/** An inspection without the calls that read further: many can be kept. */
export type SurveyedState = Omit<RingInspection, 'items' | 'newest' | 'consumed' | 'follow'>

/**
 * Surveys a ring.
 * @param name its name in metrics and messages
 * @param holdersOf finds the holders of its roles
 * @throws as `inspectRing`; the signal's reason
 */
export async function surveyRing(
  device: BlockDevice,
  name: string,
  signal?: AbortSignal,
  holdersOf: (device: BlockDevice) => Promise<RingHolders> = whoHolds,
): Promise<RingSurvey> {
  const reading = { salvage: true, ...(signal !== undefined && { signal }) }
  const { items, newest, consumed, follow, ...state } = await inspectRing(device, reading)
  const leases = state.format === 1 ? undefined : await readLeases(device)
  const holders = device.capabilities.claim ? await holdersOf(device) : undefined
  return { device: name, at: Date.now(), state, leases, holders }
}
