// The consuming side of the crash test: `node consumer.mjs <device> <format> <seed> <items> <life>`. It
// verifies every byte, and says what it was given before it acknowledges it.
import process from 'node:process'
import { RingReader } from '../../dist/index.js'
import { Items, randomFrom } from './items.mjs'
import { openDevice } from './open.mjs'
import { say } from './say.mjs'

const MAX_BATCH_BYTES = 600_000

const [path, format, seed, count, life] = process.argv.slice(2)
const items = new Items(Number(seed), Number(count), Number(format))
const random = randomFrom(Number(seed) + 2 * Number(life) + 1)

const device = await openDevice(path)
const reader = await RingReader.open(device, { queue: 'crash', client: 'consumer' })
let next = items.before(reader.consumer.position)
say({ event: 'start', next })

while (next < items.count) {
  const entries = await reader.receiveMany({ maxBytes: 1 + random(MAX_BATCH_BYTES) })
  const from = next
  for (const entry of entries) {
    verify(entry, next)
    next++
  }
  say({ event: 'delivered', from, next })
  // Mostly not past all of it, so that a restart has something to repeat.
  const last = next === items.count ? entries.length - 1 : random(entries.length)
  const end = from + last + 1
  say({ event: 'begin', next: end })
  await reader.ackThrough(entries[last])
  say({ event: 'done', next: end })
}
await reader.close()
await device.disconnect()

function verify({ item, position }, index) {
  if (!items.item(index).equals(item)) throw new Error(`item ${index} has other bytes`)
  if (items.before(position) !== index + 1) throw new Error(`item ${index} ends at ${position}`)
}
