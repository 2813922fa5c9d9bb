// Orders over HTTP: what was answered with 202 is delivered at least once, whatever is killed. Run it with the path of its ring.
import { once } from 'node:events'
import { appendFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import process from 'node:process'
import { buffer } from 'node:stream/consumers'
import { RingReader, RingWriter } from 'shared-block-ring'
import { FileBlockDevice } from 'shared-block-ring/block/file'
import { envelope, json } from 'shared-block-ring/codec'
import { inspectRing } from 'shared-block-ring/tools'

const [path, port = '0'] = process.argv.slice(2)
const MAX_BODY_BYTES = 64 * 1024
const codec = envelope(json())
const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort())

const device = await FileBlockDevice.openOrCreate(path, { sizeBytes: 16 << 20 })
const failed = await FileBlockDevice.openOrCreate(`${path}.failed`, { sizeBytes: 4 << 20 })
await (await RingWriter.open(failed, { createIfMissing: true })).close()
const writer = await RingWriter.open(device, { codec, createIfMissing: true })
const reader = await RingReader.open(device, { codec })

/** Hands an order to the next system; it may come twice, and has an id for that. */
async function deliver({ item, id }, job) {
  if (item.valid === false) return job.giveUp('the order is not valid')
  await appendFile(`${path}.delivered`, `${JSON.stringify({ ...item, id })}\n`)
}

async function ingest(request) {
  if (!(request.headers['content-length'] <= MAX_BODY_BYTES)) return { status: 413 }
  try {
    const item = JSON.parse(String(await buffer(request)))
    const order = { item, id: crypto.randomUUID(), time: Date.now() }
    await writer.push(order, { signal: AbortSignal.timeout(1000) }) // shares its durable write with others
    return { status: 202 }
  } catch (error) {
    if (error instanceof SyntaxError) return { status: 400 }
    if (error.name !== 'TimeoutError' && error.code !== 'RING_OVERLOADED') throw error
    return { status: 503, headers: { 'retry-after': 1 } } // full: it was not pushed
  }
}

async function stats() {
  const { waitingItems, usedBytes, capacityBytes, stats } = await inspectRing(device)
  const body = JSON.stringify({
    waitingItems,
    fill: usedBytes / capacityBytes,
    lagMs: stats?.lagMs,
  })
  return { status: 200, headers: { 'content-type': 'application/json' }, body }
}

const server = createServer(async (request, response) => {
  const { status, headers, body } = await (request.method === 'POST' ? ingest(request) : stats())
  response.writeHead(status, headers).end(body)
})
await once(server.listen(Number(port)), 'listening')
console.log(`listening on port ${server.address().port}`)

const { signal } = stop
const closed = once(server, 'close')
signal.addEventListener('abort', () => server.close())
await reader.process(deliver, { concurrency: 8, attempts: 5, deadLetter: failed, signal })
await closed
await Promise.all([reader.close(), writer.close()])
await Promise.all([device.close(), failed.close()])
