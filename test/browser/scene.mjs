// What the pictures of the documentation show: rings with programs at work. Makes them in a folder, says that they are
// there, and pushes and receives until it is killed.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileBlockDevice } from '../../dist/block/file/index.js'
import { envelope, json } from '../../dist/codec/index.js'
import { RingReader, RingWriter, systemClock } from '../../dist/index.js'

const codec = envelope(json())
const client = 'checkout'
const [folder, backlog] = process.argv.slice(2)
mkdirSync(folder, { recursive: true })

/** A machine whose clock is behind. */
function behind(ms) {
  return { ...systemClock, time: () => Date.now() - ms }
}

async function made(name, sizeBytes, options = {}) {
  const path = join(folder, `${name}.img`)
  const device = await FileBlockDevice.create(path, { sizeBytes, sparse: true })
  const all = { codec, queue: name, client, createIfMissing: { name }, ...options }
  return { path, writer: await RingWriter.open(device, all) }
}

let next = 1
function order() {
  const number = next++
  const item = {
    order: number,
    customer: `c-${(number * 7919) % 997}`,
    cents: (number * 37) % 9000,
  }
  return { item, headers: { type: 'order.placed' }, id: `order-${number}` }
}

function many(count) {
  return Array.from({ length: count }, order)
}

async function pushes(writer, perSecond) {
  for (;;) {
    await writer.push(order())
    await sleep(1000 / perSecond)
  }
}

/** A consumer that works a little faster than items come. */
async function works(path, queue, perSecond) {
  const device = await FileBlockDevice.open(path)
  const reader = await RingReader.open(device, { codec, client: 'shipping', queue })
  for await (const entry of reader) {
    await sleep(1000 / perSecond)
    await entry.ack()
  }
}

/** Nobody consumes it, and it has been filled to nine tenths. */
async function almostFull() {
  const { writer } = await made('billing', 4 << 20, { clock: behind(7_000_000) })
  for (let batch = 0; batch < 39; batch++) await writer.pushMany(many(1000))
  return writer
}

/** Its consumer is there, and has acknowledged nothing since it began. */
async function stuck() {
  const clock = behind(150_000)
  const { path, writer } = await made('mails', 8 << 20, { clock })
  await writer.pushMany(many(1000))
  await writer.close()
  const device = await FileBlockDevice.open(path)
  const options = { codec, clock, client: 'mailer', queue: 'mails' }
  await (await RingReader.open(device, options)).receive()
  return await RingWriter.open(await FileBlockDevice.open(path), { codec, client, queue: 'mails' })
}

async function atRest() {
  const { writer } = await made('audit', 4 << 20)
  await writer.pushMany(many(1000))
  await writer.pushMany(many(1000))
  await writer.close()
}

const orders = await made('orders', 8 << 20)
for (let count = 0; count < Number(backlog); count++) await orders.writer.push(order())
await atRest()
const mails = await stuck()
const billing = await almostFull()
process.stdout.write('ready\n')
await Promise.all([
  pushes(orders.writer, 40),
  works(orders.path, 'orders', 60),
  pushes(mails, 5),
  pushes(billing, 0.5),
])
