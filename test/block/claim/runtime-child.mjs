// A process that takes and gives back a role when it is told to: `runtime-child.mjs ROOT RING NAME`. ROOT has the built package in
// `dist`, and `koffi` in `node_modules` or not.
import process from 'node:process'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [root = '', path = '', client] = process.argv.slice(2)
const load = (module) => import(new URL(`dist/${module}`, pathToFileURL(`${root}/`)).href)
const { FileBlockDevice } = await load('block/file.js')
const { Producer, whoHolds } = await load('index.js')

const device = await FileBlockDevice.open(path)
let producer

const commands = {
  /** Whether it has the system calls that `koffi` brings. */
  koffi: async () => device.capabilities.seek,
  async take() {
    try {
      const attached = await Producer.attach(device, { client })
      if (attached.status !== 'attached') return { status: attached.status }
      producer = attached.producer
      return 'taken'
    } catch (error) {
      return { code: error.code, message: error.message, holder: error.details?.holder }
    }
  },
  async giveBack() {
    await producer?.detach()
    producer = undefined
    return 'given back'
  },
  who: async () => (await whoHolds(device)).producer ?? 'nobody',
}

for await (const command of createInterface({ input: process.stdin })) {
  const answer = await commands[command]()
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
await producer?.detach()
await device.disconnect()
