// The other program of hints.system.test.ts: `node hints-child.mjs push|take <path>` does so for each line of its
// input. It uses the built code.
import process from 'node:process'
import { createInterface } from 'node:readline'
import { FileBlockDevice } from '../../dist/block/file/index.js'
import { RingReader, RingWriter } from '../../dist/index.js'

const [command, path] = process.argv.slice(2)
const device = await FileBlockDevice.open(path)
const end = command === 'push' ? await RingWriter.open(device) : await RingReader.open(device)
process.stdout.write('ready\n')
for await (const line of createInterface(process.stdin)) {
  if (command === 'push') await end.push(new TextEncoder().encode(line))
  else await (await end.receive()).ack()
}
await end.close()
await device.disconnect()
