import type { BlockDevice } from '../../block/device.ts'
import { isRingError } from '../../errors.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import { BLANK, describeContent, readContent } from '../../ring/report/signatures.ts'
import { grouped } from '../../text/render.ts'
import { adviceFor } from '../advice.ts'

/** A device's content, according to its start and end. */
export type Holding =
  | { readonly kind: 'blank' }
  | {
      readonly kind: 'ring'
      readonly format: number
      readonly capacityBytes: number
      readonly usedBytes: number
      /** Bytes of unacknowledged items; unknown in format 1. */
      readonly waitingBytes?: number
    }
  /** An unreadable ring, and why. */
  | { readonly kind: 'damaged-ring'; readonly problem: string }
  | { readonly kind: 'other'; readonly description: string }

/** Examines a device's content, and changes nothing. */
export async function holdingOf(device: BlockDevice, signal: AbortSignal): Promise<Holding> {
  const content = await readContent(device)
  if (content.firstNonZero < 0) return { kind: 'blank' }
  try {
    const { format, capacityBytes, usedBytes, waitingBytes } = await inspectRing(device, { signal })
    const ring = { kind: 'ring', format, capacityBytes, usedBytes } as const
    return waitingBytes === undefined ? ring : { ...ring, waitingBytes }
  } catch (error) {
    if (!isRingError(error)) throw error
    if (error.code === 'RING_IS_POOL') return { kind: 'other', description: 'a pool of rings' }
    if (error.code === 'RING_NOT_INITIALISED' || error.code === 'RING_DEVICE_TOO_SMALL') {
      return { kind: 'other', description: describeContent(content) }
    }
    return { kind: 'damaged-ring', problem: adviceFor(error) }
  }
}

/** The same as text. */
export function describeHolding(holding: Holding): string {
  switch (holding.kind) {
    case 'blank':
      return BLANK
    case 'ring':
      return holding.usedBytes === 0
        ? 'a ring with no items in it'
        : `a ring with ${grouped(holding.waitingBytes ?? holding.usedBytes)} bytes of items in it`
    case 'damaged-ring':
      return `a ring that cannot be read (${holding.problem})`
    case 'other':
      return holding.description
  }
}
