import { type Clock, systemClock } from '../clock.ts'
import { isBlockError } from '../errors.ts'
import type { AskOptions, BlockClaim, BlockDevice } from './device.ts'

/** Time to wait for other creators, and the interval of checks. */
const WAIT_MS = 10_000
const POLL_MS = 10

/** Held while a file or a ring is created: two creators at the same time would overwrite each other. */
export const CREATOR = { role: 'creator', holder: 'a program that creates it' } as const

/** Takes the {@link CREATOR}'s role, once other creators are done. */
export function claimCreator(
  device: BlockDevice,
  { key, clock }: AskOptions & { readonly clock?: Clock | undefined } = {},
): Promise<BlockClaim> {
  const { role, holder } = CREATOR
  return inTurn(() => device.claim(role, { holder, key }), { clock })
}

/**
 * Repeats a task while another program on this machine holds the role that it needs.
 * @throws {BlockError} `BLOCK_CLAIMED`, after ten seconds; or the signal's reason
 */
export async function inTurn<T>(
  attempt: () => Promise<T>,
  {
    clock = systemClock,
    signal,
  }: { readonly clock?: Clock | undefined; readonly signal?: AbortSignal } = {},
): Promise<T> {
  for (let waited = 0; ; waited += POLL_MS) {
    try {
      return await attempt()
    } catch (error) {
      const busy = isBlockError(error) && error.code === 'BLOCK_CLAIMED'
      if (!busy || waited >= WAIT_MS) throw error
    }
    await clock.sleep(POLL_MS, signal)
  }
}
