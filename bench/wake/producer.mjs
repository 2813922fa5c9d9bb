// Pushes when told to: each item is the time at which it was pushed.
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileBlockDevice, RingWriter } from '../lib/ring.mjs'

const device = await FileBlockDevice.open(process.argv[2])
const writer = await RingWriter.open(device, { client: 'bench' })

process.on('message', async ({ count, fromMs, toMs }) => {
  const item = new BigUint64Array(1)
  for (let pushed = 0; pushed < count; pushed++) {
    await sleep(fromMs + Math.random() * (toMs - fromMs))
    // Every process of a machine reads the same clock.
    item[0] = process.hrtime.bigint()
    await writer.push(new Uint8Array(item.buffer))
  }
})
process.on('disconnect', () => process.exit())
process.send('ready')
