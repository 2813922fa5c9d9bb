import { checkWhole } from '../../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../../util/options.ts'
import { checkDevice } from '../check-device.ts'
import type { BlockDevice } from '../device.ts'

/** Options of an operation on whole devices. */
export interface OperationOptions {
  /** Called after each chunk with the progress: skipped holes count as done. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
  /** Ends the operation early, with the signal's reason, once the requests in flight have settled. */
  readonly signal?: AbortSignal
  /** Chunks in flight at the same time: 1 to 64. Default 4. */
  readonly concurrency?: number
  /**
   * Bytes in a chunk, rounded up to whole sectors. Default 1 MiB. Memory: `concurrency` chunks, per device when two
   * are compared.
   */
  readonly chunkBytes?: number
}

/** Types of the options of every operation. */
export const OPERATION_KINDS: OptionKinds<OperationOptions> = {
  onProgress: 'function',
  signal: 'signal',
  concurrency: 'number',
  chunkBytes: 'number',
}

/**
 * Checks what an operation was called with, before anything is sent to a device.
 * @throws {TypeError} an argument is not a device, an option is unknown or has the wrong type
 */
export function checkOperation<Options extends OperationOptions>(
  call: string,
  devices: readonly BlockDevice[],
  options: Options,
  kinds: OptionKinds<Options>,
): void {
  for (const device of devices) checkDevice(call, device)
  checkOptions(call, options, kinds)
}

/** {@link OperationOptions}, checked and complete. */
export interface Plan {
  readonly concurrency: number
  /** A whole number of units. */
  readonly chunkBytes: number
  readonly signal: AbortSignal | undefined
  /** Reports that this many more bytes are done. */
  readonly progress: (bytes: number) => void
}

const MAX_CONCURRENCY = 64

/**
 * @param totalBytes the reported total
 * @param unitBytes chunks are a multiple of it
 * @throws {RangeError} an option is out of range
 */
export function planOf(options: OperationOptions, totalBytes: number, unitBytes: number): Plan {
  const { onProgress, signal, concurrency = 4, chunkBytes = 1 << 20 } = options
  checkWhole({ concurrency }, 1, MAX_CONCURRENCY)
  checkWhole({ chunkBytes }, 1)
  let doneBytes = 0
  return {
    concurrency,
    chunkBytes: Math.ceil(chunkBytes / unitBytes) * unitBytes,
    signal,
    progress: (bytes) => {
      doneBytes += bytes
      onProgress?.(doneBytes, totalBytes)
    },
  }
}
