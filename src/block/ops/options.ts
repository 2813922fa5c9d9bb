/** How an operation on whole devices goes about it. */
export interface OperationOptions {
  /** Told after each chunk, of all that will be looked at: holes that are skipped count as done. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
  /** Ends the operation early, with the signal's reason, once the requests in flight have settled. */
  readonly signal?: AbortSignal
  /** Chunks in flight at the same time: 1 to 64. Default 4. */
  readonly concurrency?: number
  /**
   * Bytes in a chunk, rounded up to whole sectors. Default 1 MiB. Memory used: `concurrency` chunks, of each
   * device where two are compared.
   */
  readonly chunkBytes?: number
}

/** {@link OperationOptions}, checked and complete. */
export interface Plan {
  readonly concurrency: number
  /** A whole number of units. */
  readonly chunkBytes: number
  readonly signal: AbortSignal | undefined
  /** Reports that so many more bytes are done. */
  readonly progress: (bytes: number) => void
}

const MAX_CONCURRENCY = 64

/**
 * @param totalBytes what is reported as the total
 * @param unitBytes chunks are whole numbers of it
 * @throws {RangeError} an option is out of range
 */
export function planOf(options: OperationOptions, totalBytes: number, unitBytes: number): Plan {
  const { onProgress, signal, concurrency = 4, chunkBytes = 1 << 20 } = options
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MAX_CONCURRENCY) {
    throw new RangeError(`concurrency has to be from 1 to ${MAX_CONCURRENCY}, not ${concurrency}`)
  }
  if (!Number.isSafeInteger(chunkBytes) || chunkBytes < 1) {
    throw new RangeError(`chunkBytes has to be a positive integer, not ${chunkBytes}`)
  }
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
