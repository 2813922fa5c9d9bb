// The producing side of the crash test: `node producer.mjs <device> <format> <seed> <items> <life>`. It remembers
// nothing: the ring's own position says which item comes next.
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Producer, RingWriter } from '../../dist/index.js'
import { Items, randomFrom } from './items.mjs'
import { openDevice } from './open.mjs'
import { say } from './say.mjs'

const MAX_BATCH_BYTES = 600_000
/** Batches that wait at the same time: the next is ready when one is done. */
const IN_FLIGHT = 2
/** How long to wait for room before pushing again. */
const FULL_MS = 2

const [path, format, seed, count, life] = process.argv.slice(2)
const items = new Items(Number(seed), Number(count), Number(format))
const random = randomFrom(Number(seed) + 2 * Number(life))
let next = 0

const device = await openDevice(path)
// In format 2, appending and showing what was pushed are written differently: each in every other life.
if (format === '2' && Number(life) % 2 === 1) await pushAndShow()
else await append()
await device.disconnect()

async function append() {
  const writer = await RingWriter.open(device, { queue: 'crash', client: 'producer' })
  start(writer.producer)
  const inFlight = []
  while (next < items.count) {
    const batch = items.batch(next, random(MAX_BATCH_BYTES))
    next += batch.length
    say({ event: 'begin', next })
    inFlight.push(done(writer.pushMany(batch), next))
    if (inFlight.length === IN_FLIGHT) await inFlight.shift()
  }
  await Promise.all(inFlight)
  await writer.close()
}

/** Pushes, and shows first a part of it. What is not shown yet must not come into the ring by a crash. */
async function pushAndShow() {
  const { producer } = await Producer.attach(device, { queue: 'crash', client: 'producer' })
  start(producer)
  while (next < items.count) {
    const pushed = await producer.pushMany(items.batch(next, random(MAX_BATCH_BYTES)))
    if (pushed.status !== 'ok') {
      await sleep(FULL_MS)
      continue
    }
    const { positions } = pushed
    const part = random(positions.length)
    if (part > 0) await show(producer, positions[part - 1], next + part)
    await show(producer, positions.at(-1), next + positions.length)
    next += positions.length
  }
  await producer.close()
}

async function show(producer, position, end) {
  say({ event: 'begin', next: end })
  try {
    await done(
      producer.advance(position).then(() => position),
      end,
    )
  } catch (error) {
    // A part of a push may find no room to be shown by itself; all of it always does.
    if (error.code !== 'RING_NO_ROOM' || position === producer.position) throw error
  }
}

function start(producer) {
  next = items.before(producer.position)
  say({ event: 'start', next })
}

async function done(pushed, end) {
  const position = await pushed
  if (items.before(position) !== end) throw new Error(`item ${end - 1} does not end at ${position}`)
  say({ event: 'done', next: end })
}
