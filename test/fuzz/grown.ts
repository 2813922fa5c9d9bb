import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** So much more memory may a thread hold than before the first image: whatever images say, it does not size memory. */
export const MOST_GROWN: number = 64 << 20

let before: number | undefined

/**
 * Bytes of heap, buffers and WebAssembly memory that this thread has more than when this was first asked. Where that is
 * more than `MOST_GROWN`, garbage is collected first: V8 lets 64 MiB of unused buffers pile up before it looks for
 * them, so that what the system says of the process depends more on when that happens than on what is held.
 */
export function grown(): number {
  before ??= heldBytes()
  const bytes = usedBytes() - before
  return Math.max(0, bytes <= MOST_GROWN ? bytes : heldBytes() - before)
}

function heldBytes(): number {
  // V8 counts the buffers off that one collection found when the next one begins.
  for (let times = 0; times < 2; times++) collect()
  return usedBytes()
}

function usedBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}
