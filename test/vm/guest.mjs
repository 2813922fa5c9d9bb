// What the machine does until all items are through or its time is up: it makes a ring on its disk, and is the
// producer and the consumer. Its settings are on the kernel's command line, which gives them to the first process as
// environment.
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileBlockDevice } from '../../dist/block/file/index.js'
import { PartitionBlockDevice } from '../../dist/block/index.js'
import { Consumer, Producer } from '../../dist/index.js'
import { inspectRing } from '../../dist/tools.js'
import { Items, randomFrom } from '../crash/items.mjs'
import { putMark, RING_SECTORS } from './marks.mjs'

const MAX_BATCH_BYTES = 100_000
const MAX_BATCH_ITEMS = 12
/** Operations between two attachments of a role. */
const MAX_TURNS = 60
const PAUSE_MS = 2
/** An item that is pushed and never made visible. */
const GHOST = Buffer.from('nobody may see this')

const { FORMAT, ITEMS, SECONDS, SEED } = process.env
const items = new Items(Number(SEED), Number(ITEMS), Number(FORMAT))
const disk = await FileBlockDevice.open('/dev/vda')
const ring = await PartitionBlockDevice.open(disk, { sectorStart: 0, sectors: RING_SECTORS })
await Producer.create(ring, { format: Number(FORMAT) })
await putMark(disk, 'producer', 'created')

const end = performance.now() + Number(SECONDS) * 1000
const [pushed, advanced] = await Promise.all([produce(), consume()])
const { capacityBytes: capacity } = await inspectRing(ring)
const laps = Math.floor(bytesBefore(pushed) / capacity)
await disk.disconnect()
console.log(`machine: ${JSON.stringify({ pushed, advanced, laps })}`)

/** Bytes of all items before one. */
function bytesBefore(next) {
  let bytes = 0
  for (let index = 0; index < next; index++) bytes += items.item(index).length
  return bytes
}

/** Whether a role has come to the end of its work. */
function isOver(next) {
  return next === items.count || performance.now() >= end
}

async function produce() {
  const random = randomFrom(Number(SEED) + 1)
  let next = 0
  while (!isOver(next)) {
    const { producer } = await Producer.attach(ring)
    for (let turns = random(MAX_TURNS); turns >= 0 && !isOver(next); turns--) {
      const batch = items.batch(next, random(MAX_BATCH_BYTES))
      const before = next
      next = await (random(2) === 0 ? append : pushAndAdvance)(producer, batch, next, random)
      if (next === before) await sleep(PAUSE_MS)
    }
    await producer.push(GHOST)
    await producer.close()
  }
  return next
}

async function append(producer, batch, next) {
  await putMark(disk, 'producer', 'begin', next + batch.length)
  const appended = await producer.append(batch)
  if (appended.status !== 'ok') return next
  const done = next + appended.positions.length
  await putMark(disk, 'producer', 'done', done)
  return done
}

async function pushAndAdvance(producer, batch, next, random) {
  const { status, positions } = await producer.pushMany(batch)
  if (status !== 'ok') return next
  const whole = positions.length - 1
  for (const last of [random(positions.length), whole]) {
    await putMark(disk, 'producer', 'begin', next + last + 1)
    try {
      await producer.advance(positions[last])
    } catch (error) {
      // Format 2 always has room to show the whole, but not always to show a part.
      if (error.code !== 'RING_OVERLOADED' || last === whole) throw error
      continue
    }
    await putMark(disk, 'producer', 'done', next + last + 1)
  }
  return next + positions.length
}

async function consume() {
  const random = randomFrom(Number(SEED) + 2)
  let next = 0
  while (!isOver(next)) {
    const consumer = await Consumer.attach(ring)
    for (let turns = random(MAX_TURNS); turns >= 0 && !isOver(next); turns--) {
      const before = next
      next = await popAndAdvance(consumer, next, random)
      if (next === before) await sleep(PAUSE_MS)
    }
    await consumer.close()
  }
  return next
}

async function popAndAdvance(consumer, next, random) {
  const popped = await consumer.popMany({ maxItems: 1 + random(MAX_BATCH_ITEMS) })
  if (popped.length === 0) return next
  popped.forEach(({ item }, at) => {
    if (!items.item(next + at).equals(item)) throw new Error(`item ${next + at} has other bytes`)
  })
  const last = random(popped.length)
  await putMark(disk, 'consumer', 'begin', next + last + 1)
  await consumer.advance(popped[last].position)
  await putMark(disk, 'consumer', 'done', next + last + 1)
  return next + last + 1
}
