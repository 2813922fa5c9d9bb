import { checkWhole } from '../../util/numbers.ts'
import type { OptionKinds } from '../../util/options.ts'
import type { BlockDevice } from '../device.ts'
import { writeAt } from './byte-range.ts'
import { checkOperation, OPERATION_KINDS, type OperationOptions } from './options.ts'
import { writeEverywhere } from './overwrite.ts'
import { fillRandom } from './random.ts'

/** The content to fill a device with. */
export interface FillDeviceOptions extends OperationOptions {
  /** An integer from 0 to 2^32 - 1: the same seed gives every sector the same content. */
  readonly seed: number
}

const KINDS: OptionKinds<FillDeviceOptions> = { ...OPERATION_KINDS, seed: 'number' }

/**
 * Overwrites a device with random-looking data, for tests: each byte depends on the seed and its offset only, not on
 * the sector size or the order of writes. Not for secrets. The data is on stable storage when it resolves.
 * @throws {TypeError | RangeError} an option is out of range; nothing was written
 * @throws {BlockError} `BLOCK_READ_ONLY`: nothing was written; or a code of the device
 * @throws the signal's reason
 */
export async function fill(device: BlockDevice, options: FillDeviceOptions): Promise<void> {
  checkOperation('fill', [device], options, KINDS)
  const { seed } = options
  checkWhole({ seed }, 0, 2 ** 32 - 1)
  await writeEverywhere(device, options, (area, chunkBytes) => () => {
    const memory = device.allocate(chunkBytes)
    return ({ offset, bytes }) => {
      const piece = memory.subarray(0, bytes)
      fillRandom(piece, seed, offset)
      return writeAt(area, offset, piece)
    }
  })
}
