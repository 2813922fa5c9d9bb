// Takes items, and tells how long each of them was under way; or tells how much of a core it takes to wait.
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileBlockDevice, RingReader } from '../lib/ring.mjs'

/** By then the pauses are as long as they get. */
const SETTLE_MS = 6000

const [path, json] = process.argv.slice(2)
const { hints, ...options } = JSON.parse(json)

const device = await FileBlockDevice.open(path)
if (!hints) device.capabilities = { ...device.capabilities, watch: false }
const reader = await RingReader.open(device, { ...options, client: 'bench' })

process.on('message', async ({ count, idleMs }) => {
  if (count !== undefined) process.send(await receive(count))
  else process.send(await idle(idleMs))
})
process.on('disconnect', () => process.exit())
process.send('ready')

/** How long so many items took to get here, in milliseconds. */
async function receive(count) {
  const latencies = []
  while (latencies.length < count) {
    const { item, ack } = await reader.receive()
    const now = process.hrtime.bigint()
    const pushed = new BigUint64Array(new Uint8Array(item).buffer)[0]
    latencies.push(Number(now - pushed) / 1e6)
    await ack()
  }
  return latencies
}

/** The share of a core that waiting takes, once the pauses have grown. */
async function idle(idleMs) {
  const stop = new AbortController()
  const waiting = reader.receive({ signal: stop.signal }).catch(() => undefined)
  await sleep(SETTLE_MS)
  const before = process.cpuUsage()
  const started = performance.now()
  await sleep(idleMs)
  const { user, system } = process.cpuUsage(before)
  const share = (user + system) / 1000 / (performance.now() - started)
  stop.abort()
  await waiting
  return share
}
