/** The index where two runs of bytes of one length first differ; undefined if they do not. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number | undefined {
  const from = equalWords(a, b)
  for (let at = from; at < a.length; at++) {
    if (a[at] !== b[at]) return at
  }
  return undefined
}

/** Bytes at the start that are known to be equal, compared four at a time where memory is aligned. */
function equalWords(a: Uint8Array, b: Uint8Array): number {
  if (a.byteOffset % 4 !== 0 || b.byteOffset % 4 !== 0) return 0
  const words = Math.floor(a.length / 4)
  const wordsA = new Uint32Array(a.buffer, a.byteOffset, words)
  const wordsB = new Uint32Array(b.buffer, b.byteOffset, words)
  let at = 0
  while (at < words && wordsA[at] === wordsB[at]) at++
  return at * 4
}
