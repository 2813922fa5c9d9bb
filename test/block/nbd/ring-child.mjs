// The consuming side of the ring test: `node ring-child.mjs <uri> <count>` prints items, and frees their space.
import process from 'node:process'
import { NbdBlockDevice } from '../../../dist/block/nbd/index.js'
import { RingReader } from '../../../dist/index.js'

const [uri, count] = process.argv.slice(2)
const device = await NbdBlockDevice.open(uri)
const reader = await RingReader.open(device)
for (let taken = 0; taken < Number(count); taken++) {
  const entry = await reader.receive()
  process.stdout.write(`${Buffer.from(entry.item).toString('utf8')}\n`)
  await entry.ack()
}
await reader.close()
await device.disconnect()
