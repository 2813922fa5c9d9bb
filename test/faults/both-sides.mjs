// Both sides of a ring in one process, whose system calls are made to fail: `node both-sides.mjs <device> <seed>
// <items> <format> <durability>`. It says what was acknowledged, what failed, and what the handle answers afterwards.
import process from 'node:process'
import { FileBlockDevice } from '../../dist/block/file/index.js'
import { Consumer, Producer } from '../../dist/index.js'
import { Items } from '../crash/items.mjs'
import { say } from '../crash/say.mjs'

const [path, seed, count, format, durability] = process.argv.slice(2)
const items = new Items(Number(seed), Number(count), Number(format))

const device = await FileBlockDevice.open(path, { durability })
let { producer } = (await attempt('producer', () => Producer.attach(device), [])) ?? {}
let consumer = await attempt('consumer', () => Consumer.attach(device), [])
let next = producer === undefined ? items.count : 0
if (producer !== undefined) say({ role: 'producer', event: 'start', next })
if (consumer !== undefined) say({ role: 'consumer', event: 'start', next: 0 })

while ((await push()) || (await take()));
await producer?.close()
await consumer?.close()
await device.disconnect()

/** Pushes an item. Answers whether there may be room for more. */
async function push() {
  if (producer === undefined || next === items.count) return false
  say({ role: 'producer', event: 'begin', next: next + 1 })
  const handle = producer
  const result = await attempt('producer', () => handle.append([items.item(next)]), [
    () => handle.state(),
    () => handle.append([]),
    () => handle.pushMany([]),
    () => handle.advance(handle.position),
    () => handle.debugInfo(),
  ])
  if (result?.status === 'ok') say({ role: 'producer', event: 'done', next: ++next })
  return result?.status !== 'retry' && producer !== undefined
}

/** Takes some items. Answers whether there may be more to do. */
async function take() {
  if (consumer === undefined) return false
  const handle = consumer
  const probes = [
    () => handle.state(),
    () => handle.popMany(),
    () => handle.advance(handle.position),
    () => handle.debugInfo(),
  ]
  const from = items.before(handle.position)
  const popped = await attempt('consumer', () => handle.popMany({ maxItems: 3 }), probes)
  if (popped === undefined) return consumer !== undefined
  if (popped.length === 0) return false
  for (const [index, { item, position }] of popped.entries()) {
    const wanted = from + index
    if (!items.item(wanted).equals(item)) throw new Error(`item ${wanted} has other bytes`)
    if (items.before(position) !== wanted + 1) throw new Error(`item ${wanted} ends elsewhere`)
  }
  const end = from + popped.length
  say({ role: 'consumer', event: 'start', next: from })
  say({ role: 'consumer', event: 'delivered', from, next: end })
  say({ role: 'consumer', event: 'begin', next: end })
  await attempt(
    'consumer',
    async () => {
      await handle.advance(popped.at(-1).position)
      say({ role: 'consumer', event: 'done', next: end })
    },
    probes,
  )
  return true
}

/** Does it, or says how it failed, and what a handle answers to other calls then: one that ended is not used again. */
async function attempt(role, operation, probes) {
  try {
    return await operation()
  } catch (error) {
    const later = []
    for (const probe of probes) {
      later.push(
        await probe().then(
          () => 'ok',
          ({ code }) => code,
        ),
      )
    }
    // What a handle does while it is idle can fail too: then the next call says so.
    const code = error.code === 'RING_POISONED' ? error.cause.code : error.code
    say({ role, event: 'failed', code, later })
    if (later.every((answer) => answer === 'ok')) return undefined
    if (role === 'producer') producer = undefined
    else consumer = undefined
    return undefined
  }
}
