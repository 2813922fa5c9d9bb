import type { BlockDevice } from './device.ts'

/** Memory that is not in use, by its length, as long as the garbage collector leaves it. */
const kept = new Map<number, WeakRef<Uint8Array>[]>()

/**
 * Reads sectors into memory that only `use` sees: the next read, of any device, may get the same memory. Large pieces
 * take longer to make than to read into, and small pieces that each of a thousand rings keeps are much together. The
 * memory is plain: direct I/O copies from its own.
 */
export async function readScratch<T>(
  device: BlockDevice,
  sectorStart: number,
  bytes: number,
  use: (memory: Uint8Array) => T,
): Promise<T> {
  const free = kept.get(bytes) ?? []
  kept.set(bytes, free)
  const memory = free.pop()?.deref() ?? new Uint8Array(bytes)
  // Not kept after a failure: the device may still fill it.
  await device.read(sectorStart, [memory])
  try {
    return use(memory)
  } finally {
    free.push(new WeakRef(memory))
  }
}
