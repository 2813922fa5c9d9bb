import type { OptionKinds } from '../../util/options.ts'
import type { BlockDevice } from '../device.ts'
import { writeAt } from './byte-range.ts'
import { checkOperation, OPERATION_KINDS, type OperationOptions } from './options.ts'
import { writeEverywhere } from './overwrite.ts'

/** Options of `erase`. */
export interface EraseDeviceOptions extends OperationOptions {
  /**
   * Bytes that are repeated from the device's first byte on, also across sectors when its length is odd: the
   * original's tool was used with `ERASED! `. Default: zeroes.
   */
  readonly pattern?: Uint8Array
}

const KINDS: OptionKinds<EraseDeviceOptions> = { ...OPERATION_KINDS, pattern: 'object' }

/**
 * Overwrites a device with a pattern. It is on stable storage when it resolves.
 * @throws {TypeError | RangeError} an option is out of range; nothing was written
 * @throws {BlockError} `BLOCK_READ_ONLY`: nothing was written; or a code of the device
 * @throws the signal's reason
 */
export async function erase(device: BlockDevice, options: EraseDeviceOptions = {}): Promise<void> {
  checkOperation('erase', [device], options, KINDS)
  const { pattern } = options
  if (pattern === undefined) return eraseWithZeroes(device, options)
  if (!(pattern instanceof Uint8Array)) throw new TypeError('pattern must be a Uint8Array')
  if (pattern.length === 0) throw new RangeError('pattern must be at least one byte')
  await writeEverywhere(device, options, (area, chunkBytes) => {
    // One copy of it serves every chunk: a chunk's content starts somewhere in the pattern.
    const repeated = device.allocate(chunkBytes + pattern.length)
    for (let at = 0; at < repeated.length; at += pattern.length) {
      repeated.set(pattern.subarray(0, repeated.length - at), at)
    }
    return () =>
      ({ offset, bytes }) => {
        const from = offset % pattern.length
        return writeAt(area, offset, repeated.subarray(from, from + bytes))
      }
  })
}

async function eraseWithZeroes(device: BlockDevice, options: OperationOptions): Promise<void> {
  await writeEverywhere(device, options, ({ info }) => () => ({ offset, bytes }) => {
    return device.writeZeroes(offset / info.sectorSize, bytes / info.sectorSize)
  })
}
