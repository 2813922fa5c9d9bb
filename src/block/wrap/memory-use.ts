/** The use that a request makes of its buffers' memory while it is in flight. */
export type MemoryAccess = 'reads' | 'fills'

/** A run of bytes in an `ArrayBuffer`. */
interface Range {
  readonly start: number
  readonly end: number
}

interface Use extends Range {
  readonly access: MemoryAccess
}

/**
 * The memory of requests in flight. Memory that one request fills is exclusive to it; any number of requests may read
 * the same memory (a repeated pattern, for instance).
 */
export class MemoryInUse {
  readonly #uses = new Map<ArrayBufferLike, Set<Use>>()

  /**
   * Reserves the buffers' memory for a request; the returned function releases it.
   * @throws {RangeError} another request in flight fills some of it, or uses memory that this one would fill; or this
   *   one would fill some of it twice
   */
  take(buffers: readonly Uint8Array[], access: MemoryAccess): () => void {
    const ranges = rangesOf(buffers, access)
    for (const [memory, wanted] of ranges) this.#checkFree(memory, wanted, access)
    const taken = [...ranges].map(([memory, wanted]) => this.#add(memory, wanted, access))
    return () => {
      for (const release of taken) release()
    }
  }

  #checkFree(memory: ArrayBufferLike, wanted: readonly Range[], access: MemoryAccess): void {
    for (const use of this.#uses.get(memory) ?? []) {
      if (use.access === 'reads' && access === 'reads') continue
      if (wanted.some((range) => range.start < use.end && use.start < range.end)) {
        throw new RangeError(
          `a buffer shares memory with one that a ${use.access === 'fills' ? 'read' : 'write'} in ` +
            'flight is using; wait until that request settles, or use other memory',
        )
      }
    }
  }

  #add(memory: ArrayBufferLike, wanted: readonly Range[], access: MemoryAccess): () => void {
    const uses = this.#uses.get(memory) ?? new Set()
    this.#uses.set(memory, uses)
    const added = wanted.map((range) => ({ ...range, access }))
    for (const use of added) uses.add(use)
    return () => {
      for (const use of added) uses.delete(use)
      if (uses.size === 0) this.#uses.delete(memory)
    }
  }
}

/** The memory of a request's buffers, with neighbours joined: most requests use one run of it. */
function rangesOf(
  buffers: readonly Uint8Array[],
  access: MemoryAccess,
): Map<ArrayBufferLike, Range[]> {
  const byMemory = new Map<ArrayBufferLike, Range[]>()
  for (const { buffer, byteOffset, byteLength } of buffers) {
    const ranges = byMemory.get(buffer) ?? []
    byMemory.set(buffer, ranges)
    if (byteLength > 0) ranges.push({ start: byteOffset, end: byteOffset + byteLength })
  }
  for (const [memory, ranges] of byMemory) byMemory.set(memory, joined(ranges, access))
  return byMemory
}

function joined(ranges: readonly Range[], access: MemoryAccess): Range[] {
  const result: Range[] = []
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = result.at(-1)
    if (last === undefined || range.start > last.end) {
      result.push(range)
      continue
    }
    if (access === 'fills' && range.start < last.end) {
      throw new RangeError(
        'two buffers of one read share memory, so one of them would lose its data; use separate memory',
      )
    }
    result[result.length - 1] = { start: last.start, end: Math.max(last.end, range.end) }
  }
  return result
}
