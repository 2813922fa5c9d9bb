/** A run of at most as many bytes as a limit allows, made of parts of the buffers. */
export interface Run {
  readonly parts: readonly Uint8Array[]
  readonly bytes: number
}

/**
 * Cuts a list of buffers into runs of `limit` bytes, which is called for each run if it is a function; the last may be
 * shorter. Nothing is copied.
 */
export function* runs(
  buffers: readonly Uint8Array[],
  limit: number | (() => number),
): Generator<Run> {
  const limitOf = typeof limit === 'function' ? limit : (): number => limit
  let most = limitOf()
  let parts: Uint8Array[] = []
  let bytes = 0
  for (const buffer of buffers) {
    for (let at = 0; at < buffer.length; ) {
      const part = buffer.subarray(at, at + most - bytes)
      parts.push(part)
      at += part.length
      bytes += part.length
      if (bytes === most) {
        yield { parts, bytes }
        most = limitOf()
        parts = []
        bytes = 0
      }
    }
  }
  if (bytes > 0) yield { parts, bytes }
}
