import type { BlockDevice } from '../../block/device.ts'
import { RingError } from '../../errors.ts'
import { checkOptions } from '../../util/options.ts'
import { createRing } from '../access/create.ts'
import { inspectRing } from '../access/inspect.ts'
import { NEW_RING_KINDS } from '../new-ring-kinds.ts'
import type { NewRingOptions } from '../types.ts'

/** The options that a ring keeps from its creation. */
const KEPT = ['format', 'blockSize', 'name', 'onFull'] as const

/**
 * Creates a ring on a blank device. An existing ring is never changed, and must match the options.
 * @throws {TypeError} an option is unknown or has the wrong type
 * @throws {RingError} `RING_OTHER_OPTIONS`: the ring was created with others
 * @throws as `Producer.create`; as `inspectRing`, if there is a ring and the options describe it
 */
export async function ensureRing(device: BlockDevice, wanted: NewRingOptions): Promise<void> {
  checkOptions('createIfMissing', wanted, NEW_RING_KINDS)
  if (await createRing(device, wanted)) return
  if (KEPT.every((option) => wanted[option] === undefined)) return
  const { format, ring } = await inspectRing(device)
  const kept = { format, ...ring }
  for (const option of KEPT) {
    if (wanted[option] === undefined || wanted[option] === kept[option]) continue
    const expected = String(wanted[option])
    const found = String(kept[option] ?? 'none, in format 1')
    throw new RingError(
      'RING_OTHER_OPTIONS',
      `The ring on ${device.name} was created with another ${option}: expected ${expected}, found ${found}; it was not changed. ` +
        `Leave out ${option} to use it`,
      { device: device.name, field: option, expected, found },
    )
  }
}
