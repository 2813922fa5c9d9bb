// Takes lines over from another program: node consumer.mjs <ring> <output file>
import { open } from 'node:fs/promises'
import process from 'node:process'
import { RingReader } from 'shared-block-ring'
import { FileBlockDevice } from 'shared-block-ring/block/file'
import { json } from 'shared-block-ring/codec'

const [ring, path] = process.argv.slice(2)

const output = await open(path, 'r+')
const device = await FileBlockDevice.open(ring)
const reader = await RingReader.open(device, { codec: json(), client: 'consumer' })

for await (const { item, ack } of reader) {
  if (item.end) {
    await ack()
    break
  }
  // If we die before `ack`, the line is delivered again: writing it to the same place again is harmless.
  await output.write(item.line, item.at)
  await output.datasync()
  await ack()
}

await reader.close()
await device.disconnect()
await output.close()
