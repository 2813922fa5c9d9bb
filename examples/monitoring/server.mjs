// node server.mjs FILE: pushes an order every tenth of a second and handles it, and shows metrics on the port that it prints.
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { RingReader, RingWriter } from 'shared-block-ring'
import { FileBlockDevice } from 'shared-block-ring/block/file'
import { json } from 'shared-block-ring/codec'
import { EXPOSITION_TYPE, exposition, Instruments } from 'shared-block-ring/metrics'

const [path = 'orders.ring'] = process.argv.slice(2)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())

const device = await FileBlockDevice.openOrCreate(path, { sizeBytes: 1 << 20 })
const instruments = new Instruments({ rings: { [path]: device } })
const options = { createIfMissing: true, codec: json(), queue: 'orders', client: 'example' }
const writer = await RingWriter.open(device, options)
const reader = await RingReader.open(device, options)

const server = createServer(async (_, response) => {
  const page = exposition(await instruments.collect())
  response.writeHead(200, { 'content-type': EXPOSITION_TYPE }).end(page)
})
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`))

const handling = reader.process(({ n }) => sleep(n % 20), { signal: stop.signal })
for (let n = 0; !stop.signal.aborted; n++) {
  await writer.push({ n })
  await sleep(100, undefined, { signal: stop.signal }).catch(() => undefined)
}
await handling
await reader.close()
await writer.close()
server.close()
server.closeAllConnections()
instruments[Symbol.dispose]()
await device.close()
