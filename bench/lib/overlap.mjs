// Whether it would pay to make the next batch while one is in flight: copying and checksumming, and a durable write that does not
// block, one after the other and at the same time.
import { crc32c, FileBlockDevice } from './ring.mjs'

const MIB = 1 << 20
const ITEM_BYTES = 4096
export const OVERLAPS = [
  { name: '1 MiB, past the page cache', bytes: MIB, direct: true },
  { name: '4 MiB, past the page cache', bytes: 4 * MIB, direct: true },
  { name: '1 MiB, through the page cache', bytes: MIB, direct: false },
  { name: '4 MiB, through the page cache', bytes: 4 * MIB, direct: false },
]

/** Batches on a file that was written in full. */
export async function openOverlap(row, path, fileBytes) {
  const device = await FileBlockDevice.open(path, { direct: row.direct, engine: 'pool' })
  const { sectorSize } = await device.getInfo()
  const item = new Uint8Array(ITEM_BYTES).fill(3)
  const batches = [device.allocate(row.bytes), device.allocate(row.bytes)]
  const places = Math.floor(fileBytes / row.bytes)
  let writes = 0
  const write = (batch) =>
    device.write(((writes++ % places) * row.bytes) / sectorSize, [batch], { durable: true })
  const make = (batch) => {
    for (let at = 0; at < batch.length; at += ITEM_BYTES) batch.set(item, at)
    crc32c(batch)
  }
  const [first] = batches
  const measure = async (ms) => ({
    write: await each(ms, () => write(first)),
    make: await each(ms, () => make(first)),
    inTurn: await each(ms, () => {
      make(first)
      return write(first)
    }),
    together: await overlapping(ms, batches, make, write),
  })
  return { row, measure, close: () => device.disconnect(), samples: [] }
}

/** Makes one batch while the other is written. Answers microseconds of each. */
function overlapping(ms, batches, make, write) {
  let inFlight = Promise.resolve()
  let turn = 0
  const next = async () => {
    const batch = batches[turn++ % batches.length]
    make(batch)
    await inFlight
    inFlight = write(batch)
  }
  return each(ms, next, () => inFlight)
}

/** Microseconds of something that is done again and again for so long, with what has to be waited for in the end. */
async function each(ms, act, end) {
  const began = performance.now()
  let count = 0
  for (; count === 0 || performance.now() < began + ms; count++) await act()
  await end?.()
  return ((performance.now() - began) * 1000) / count
}
