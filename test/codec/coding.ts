import { readFileSync } from 'node:fs'
import { type Codec, decodeItem, encodeItems } from '../../src/codec/codec.ts'
import { asPosition } from '../../src/position.ts'
import { fc } from '../helpers/property.ts'

/** The vectors of FORMAT.md that begin with this byte: what is encoded, and its bytes. */
export function vectors(first: string): readonly (readonly [item: string, stored: Uint8Array])[] {
  const rows = new RegExp(`^\\| \`(.*)\` \\| \`(${first}(?: [0-9a-f]{2})+)\` \\|$`, 'gm')
  return [...readFileSync('FORMAT.md', 'utf8').matchAll(rows)].map(
    ([, item = '', hex = '']) =>
      [item, Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))] as const,
  )
}

/** Encodes an item as the writer does. */
export async function encoded<In>(codec: Codec<unknown, In>, item: In): Promise<Uint8Array> {
  const [bytes = new Uint8Array()] = await encodeItems(codec, [item], (made) => made.slice())
  return bytes
}

/** Decodes an item as the reader does. */
export async function decoded<Out>(codec: Codec<Out, never>, bytes: Uint8Array): Promise<Out> {
  return decodeItem(codec, bytes, asPosition(8n), 2)
}

/** Bytes like those that were made: the same, cut, longer, or with a few bytes changed; or any bytes at all. */
export function hostile(
  made: fc.Arbitrary<Promise<Uint8Array>>,
): fc.Arbitrary<Promise<Uint8Array>> {
  const change = fc.oneof(
    fc.record({ cut: fc.nat() }),
    fc.record({ added: fc.uint8Array({ minLength: 1, maxLength: 20 }) }),
    fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) }),
  )
  const changed = fc
    .tuple(made, fc.array(change, { maxLength: 3 }))
    .map(async ([making, changes]) => {
      let bytes = Uint8Array.from(await making)
      for (const each of changes) {
        if ('cut' in each) bytes = bytes.slice(0, each.cut % (bytes.length + 1))
        else if ('added' in each) bytes = Uint8Array.from([...bytes, ...each.added])
        else if (bytes.length > 0) bytes[each.at % bytes.length] = each.value
      }
      return bytes
    })
  return fc.oneof(
    { weight: 9, arbitrary: changed },
    { weight: 1, arbitrary: fc.uint8Array().map(async (any) => Uint8Array.from(any)) },
  )
}
