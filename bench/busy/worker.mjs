// Pushes when told to, in a process that may have other things to do: `node worker.mjs PATH OPTIONS`.
import { pbkdf2 } from 'node:crypto'
import { createServer } from 'node:http'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileBlockDevice, RingReader, RingWriter } from '../lib/ring.mjs'

const [path, json] = process.argv.slice(2)
const { engine, burnMs = 0, threads = 0 } = JSON.parse(json)

const device = await FileBlockDevice.open(path, { engine })
const writer = await RingWriter.open(device)
const reader = await RingReader.open(device)
const item = new Uint8Array(100).fill(7)

const now = () => performance.now()

/** A server whose every answer keeps the event loop for so long. */
const server = createServer((_, response) => {
  for (const began = now(); now() - began < burnMs; );
  response.end('done')
})
if (burnMs > 0) await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))

/** Keeps so many of Node's threads busy, as compressing and hashing do. */
function keepBusy() {
  pbkdf2('word', 'salt', 5000, 32, 'sha256', keepBusy)
}
for (let thread = 0; thread < threads; thread++) keepBusy()

const actions = {
  /** Milliseconds from call to durable, a push every 2 to 5 ms. */
  async paced({ count }) {
    const times = []
    for (let pushed = 0; pushed < count; pushed++) {
      await sleep(2 + Math.random() * 3)
      const began = now()
      await writer.push(item)
      times.push(now() - began)
    }
    await clear()
    return times
  },

  /** Items a second, with 64 in flight. */
  async inFlight({ ms }) {
    const began = now()
    let pushed = 0
    const lane = async () => {
      for (; now() - began < ms; pushed++) await writer.push(item)
    }
    await Promise.all(Array.from({ length: 64 }, lane))
    const rate = (pushed * 1000) / (now() - began)
    await clear()
    return rate
  },
}

async function clear() {
  for (;;) {
    const entries = await reader.tryReceiveMany({ maxItems: 10_000 })
    if (entries.length === 0) return
    await reader.ackThrough(entries.at(-1))
  }
}

process.on('message', async ({ action, ...options }) => {
  process.send({ answer: await actions[action](options) })
})
process.on('disconnect', () => process.exit())
process.send({ answer: server.address()?.port ?? 0 })
