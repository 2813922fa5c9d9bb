import type { BlockDevice } from '../../../src/block/device.ts'
import { MOST_GROWN } from '../grown.ts'
import { MeteredDevice } from '../meter.ts'

/** What a call may ask of a device before its signal ends it: several times what an image without holes can need. */
const ENOUGH = { requests: 400, moved: 16 << 20 } as const
/**
 * What it may ask for once it is told to stop, or all in all where it takes no signal: the item of 16 MiB that is being
 * read, and two windows of 4 MiB after it.
 */
const SLACK = { requests: 64, moved: 24 << 20 } as const
/** All that it may allocate at once: an item of 16 MiB, and what is around it. */
const LARGEST = 20 << 20

const LIMITS = {
  requests: ENOUGH.requests + SLACK.requests,
  moved: ENOUGH.moved + SLACK.moved,
  allocated: Number.POSITIVE_INFINITY,
  largest: LARGEST,
  grown: MOST_GROWN,
} as const

/** A device for one call: it tells the call to stop when it has asked for enough, and refuses when it goes on. */
export function bounded(device: BlockDevice): MeteredDevice {
  return new MeteredDevice(device, LIMITS, ENOUGH)
}
