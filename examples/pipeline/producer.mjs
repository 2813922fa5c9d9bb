// Hands a text file over to another program, line by line: node producer.mjs <ring> <text file>
import { readFile } from 'node:fs/promises'
import process from 'node:process'
import { RingWriter } from 'shared-block-ring'
import { FileBlockDevice } from 'shared-block-ring/block/file'
import { json } from 'shared-block-ring/codec'

const [ring, input] = process.argv.slice(2)

const device = await FileBlockDevice.open(ring)
const writer = await RingWriter.open(device, { codec: json(), client: 'producer' })

let at = 0
for (const line of (await readFile(input, 'utf8')).split(/(?<=\n)/)) {
  // Waits while the ring is full. When it resolves, the line is on stable storage, and can be taken.
  await writer.push({ at, line })
  at += Buffer.byteLength(line)
}

await writer.close()
await device.close()
