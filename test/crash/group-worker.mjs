// A member of the crash test of groups: `node group-worker.mjs <folder> <rings>`. It writes down when a handler begins
// and ends, in the order in which that happened in all members: one file, appended to.
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileBlockDevice } from '../../dist/block/file/index.js'
import { json } from '../../dist/codec/index.js'
import { Group } from '../../dist/fan/index.js'

const [folder, rings] = process.argv.slice(2)
const log = join(folder, 'log')
const devices = []
for (let ring = 0; ring < Number(rings); ring++) {
  devices.push(await FileBlockDevice.open(join(folder, `ring-${ring}`)))
}
const group = await Group.open(devices, { reader: { codec: json(), maxPollMs: 20 } })
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
await group.process(
  async ({ key, number }) => {
    appendFileSync(log, `begin ${key} ${number}\n`)
    if (number % 16 === 0) await sleep(2)
    appendFileSync(log, `end ${key} ${number}\n`)
  },
  { concurrency: 8, keyOf: ({ key }) => key, signal: stop.signal },
)
await group.close()
for (const device of devices) await device.disconnect()
