// Encodes items with each algorithm that the runtime has, decodes what another runtime made, and prints both.
//   coder.mjs FRAMES: JSON of hexadecimal frames
import { bytes, compressed, encrypted, envelope, text } from '../../dist/codec/index.js'

const current = { id: 'k', key: new Uint8Array(32).fill(7) }
const codecs = []
for (const algorithm of ['zlib', 'zstd']) {
  try {
    codecs.push(envelope(encrypted(compressed(text, { algorithm }), { current }, { context: 'c' })))
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
  }
}
const hex = (/** @type {Uint8Array} */ all) =>
  Array.from(all, (byte) => byte.toString(16).padStart(2, '0')).join('')
const unhex = (/** @type {string} */ all) =>
  Uint8Array.from(all.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
const item = 'a word '.repeat(200)

/** How often a stream decodes that is cut, doubled, or has a byte after it: never. */
async function taken(/** @type {Uint8Array} */ frame) {
  let count = 0
  const wrong = [
    frame.subarray(0, -1),
    Uint8Array.of(...frame, 0),
    Uint8Array.of(...frame, ...frame.subarray(6)),
  ]
  for (const each of wrong) {
    try {
      await compressed(bytes).decode(each)
      count++
    } catch {}
  }
  return count
}

const made = []
for (const codec of codecs)
  made.push(hex(await codec.encode({ item, id: '1', headers: { a: 'b' } })))
const read = []
for (const frame of JSON.parse(process.argv[2] ?? '[]')) {
  try {
    const decoded = await envelope(
      encrypted(compressed(text), { current }, { context: 'c' }),
    ).decode(unhex(frame))
    read.push(decoded.item === item && decoded.headers.a === 'b' ? 'the item' : 'another item')
  } catch (error) {
    read.push(error.code ?? String(error))
  }
}
let wrong = 0
for (const algorithm of codecs.length > 1 ? ['zlib', 'zstd'] : ['zlib']) {
  for (const length of [100, 1 << 20]) {
    wrong += await taken(await compressed(bytes, { algorithm }).encode(new Uint8Array(length)))
  }
}
console.log(JSON.stringify({ made, read, wrong }))
