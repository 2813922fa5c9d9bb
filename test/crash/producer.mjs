// The producing side of the crash test: `node producer.mjs <device> <seed> <items> <life>`. It remembers
// nothing: the ring's own position says which item comes next.
import process from 'node:process'
import { FileBlockDevice } from '../../dist/block/file.js'
import { RingWriter } from '../../dist/index.js'
import { Items, randomFrom } from './items.mjs'
import { say } from './say.mjs'

const MAX_BATCH_BYTES = 600_000
/** Batches that wait at the same time: the next is ready when one is done. */
const IN_FLIGHT = 2

const [path, seed, count, life] = process.argv.slice(2)
const items = new Items(Number(seed), Number(count))
const random = randomFrom(Number(seed) + 2 * Number(life))

const device = await FileBlockDevice.open(path)
const writer = await RingWriter.open(device, { queue: 'crash', client: 'producer' })
let next = items.before(writer.producer.position)
say({ event: 'start', next })

const inFlight = []
while (next < items.count) {
  const batch = items.batch(next, random(MAX_BATCH_BYTES))
  next += batch.length
  say({ event: 'begin', next })
  inFlight.push(push(batch, next))
  if (inFlight.length === IN_FLIGHT) await inFlight.shift()
}
await Promise.all(inFlight)
await writer.close()
await device.disconnect()

async function push(batch, end) {
  const position = await writer.pushMany(batch)
  if (items.before(position) !== end) throw new Error(`item ${end - 1} does not end at ${position}`)
  say({ event: 'done', next: end })
}
