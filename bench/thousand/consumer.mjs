// Waits at many rings at once: says what that costs, and how long an item was under way.
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { RingReader } from '../lib/ring.mjs'
import { openRings, withEach } from './rings.mjs'

/** By then the pauses are as long as they get. */
const SETTLE_MS = 10_000
const IDLE_MS = 10_000

const { folder, layout, rings, options } = JSON.parse(process.argv[2])
const before = process.memoryUsage.rss()
const started = performance.now()
const { devices, close } = await openRings(folder, layout, rings)
const readers = await withEach(devices, (device) => RingReader.open(device, options))
const openMs = performance.now() - started

const stop = new AbortController()
const receiving = readers.map(receive)
process.on('message', async (question) => {
  if (question === 'idle') process.send(await idle())
  else await end()
})
process.send({ openMs })

/** Tells of each item as it comes, for as long as there is one to come. */
async function receive(reader) {
  try {
    for await (const { item, ack } of reader.entries({ signal: stop.signal })) {
      // Every process of a machine reads the same clock.
      const ns = process.hrtime.bigint() - new BigUint64Array(new Uint8Array(item).buffer)[0]
      await ack()
      process.send({ ms: Number(ns) / 1e6 })
    }
  } catch (error) {
    process.send({ error: String(error) })
  }
}

async function idle() {
  await sleep(SETTLE_MS)
  const cpu = process.cpuUsage()
  const read = bytesRead()
  const since = performance.now()
  await sleep(IDLE_MS)
  const { user, system } = process.cpuUsage(cpu)
  const ms = performance.now() - since
  const share = (user + system) / 1000 / ms
  const readPerSecond = ((bytesRead() - read) / ms) * 1000
  return { share, readPerSecond, bytes: process.memoryUsage.rss() - before }
}

/** By all calls of this process, also from memory and from sockets. */
function bytesRead() {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))[1])
}

async function end() {
  stop.abort()
  await Promise.all(receiving)
  for (const reader of readers) await reader.close()
  await close()
  process.disconnect()
}
