import { encodeMagic } from '../../../src/ring/format1/layout.ts'
import { CONSUMER, encodePointer, PRODUCER } from '../../../src/ring/format1/pointer.ts'
import { encodeRecords } from '../../../src/ring/format1/record.ts'
import type { Random } from '../../../src/sim/world/random.ts'
import { type Composed, keyOf } from './compose2.ts'
import { SparseImage } from './image.ts'

/** Writes a ring of format 1 from nothing. */
export function compose1(random: Random): Composed {
  const sectorSize = random.pick([512, 512, 4096])
  const dataBytes = random.weighted([
    [75, random.between(1, 16) * sectorSize],
    [10, 1 << 20],
    [5, 2 ** 30],
    [5, 2 ** 34],
    [5, 2 ** 40],
  ])
  const image = new SparseImage(sectorSize, dataBytes + 3 * sectorSize)
  image.at(0, sectorSize).set(encodeMagic(sectorSize))
  const size = BigInt(dataBytes)
  const from = random.pick([
    0n,
    size - 8n,
    5n * size + 16n,
    2n ** 53n - 4n,
    2n ** 61n,
    2n ** 62n - 64n,
  ])
  const story = [`composed, format 1, ${sectorSize}, ${dataBytes} bytes from ${from}`]
  const items = new Set<string>()
  const front = Math.min(dataBytes, 32 * sectorSize)
  let end = from
  const data = image.at(3 * sectorSize, front)
  if (front === dataBytes || from % size < BigInt(front / 2)) {
    for (let left = random.below(6); left > 0; left--) {
      const item = Uint8Array.from({ length: random.below(sectorSize) }, () => random.below(256))
      const bytes = BigInt((item.length + 7) & ~3)
      if (end + bytes > from + BigInt(front / 2)) break
      encodeRecords(data, Number(end % size), [item])
      items.add(keyOf(item))
      end += bytes
    }
  }
  const pointers = { producer: end, consumer: from }
  const odd = random.pick(['none', 'producer', 'consumer', 'length', 'length'] as const)
  if (odd === 'length') {
    const lengths = [dataBytes - 4, dataBytes - 8, dataBytes, 1 << 24, (1 << 24) + 1, 2 ** 32 - 1]
    const length = random.pick(lengths) % 2 ** 32
    new DataView(data.buffer, data.byteOffset).setUint32(Number(from % size) % front, length, true)
    pointers.producer =
      from + random.pick([size, size, BigInt(Math.floor((length + 7) / 4)) * 4n, end - from])
    story.push(`a length of ${length}`)
  } else if (odd !== 'none') {
    const moves = [4n, -4n, 1n, 512n, size, -size, size + 4n, 2n ** 62n, 2n ** 63n - 1n]
    pointers[odd] += random.pick(moves)
    story.push(`${odd} at ${pointers[odd]}`)
  }
  const flag = random.chance(0.1)
  const sector = (at: number): Uint8Array => image.at(at * sectorSize, sectorSize)
  const put = (kind: typeof PRODUCER, offset: bigint): void => {
    const pointer = { offset: BigInt.asIntN(64, offset), flag: random.chance(0.05) ? !flag : flag }
    encodePointer(sector(kind.sector), kind, pointer, 'composed', 'hostile')
  }
  put(PRODUCER, pointers.producer)
  put(CONSUMER, pointers.consumer)
  return { image, format: 1, items, isHonest: false, story }
}
