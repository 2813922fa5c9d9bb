// Attaches to a ring in which many items wait, as a process of its own, and tells what that took.
import process from 'node:process'
import { Consumer, FileBlockDevice, Producer } from '../lib/ring.mjs'

const { path, direct, items, drain } = JSON.parse(process.argv[2])
const msSince = (began) => performance.now() - began

const consumerBegan = performance.now()
const device = await FileBlockDevice.open(path, { direct })
const consumer = await Consumer.attach(device)
const consumerMs = msSince(consumerBegan)
const first = await consumer.pop()
const firstItemMs = msSince(consumerBegan)
if (first.status !== 'item') throw new Error('nothing waits')

const producerBegan = performance.now()
const { producer } = await Producer.attach(device)
const producerMs = msSince(producerBegan)
const attachedRss = process.memoryUsage.rss()

const answer = { consumerMs, firstItemMs, producerMs, attachedRss }
process.send(drain ? { ...answer, ...(await takeAll()) } : answer)
await producer.close()
await consumer.close()
await device.disconnect()
process.disconnect()

/** Takes everything in pieces as large as they are by default. */
async function takeAll() {
  const began = performance.now()
  let taken = 0
  for (;;) {
    const popped = await consumer.popMany()
    const last = popped.at(-1)
    if (last === undefined) break
    await consumer.advance(last.position)
    taken += popped.length
  }
  if (taken < items) throw new Error(`items were lost: ${taken} of ${items} came back`)
  const drainUs = (msSince(began) * 1000) / taken
  return { drainUs, peakRss: process.resourceUsage().maxRSS * 1024 }
}
