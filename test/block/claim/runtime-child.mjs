// A process that takes and releases a role when it is told to: `runtime-child.mjs ROOT RING NAME`. ROOT has the built
// package in `dist`, and `koffi` in `node_modules` or not. Each line of standard input is a command, each line of
// standard output its answer.
import { subscribe } from 'node:diagnostics_channel'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [root = '', path = '', client] = process.argv.slice(2)
const load = (module) => import(new URL(`dist/${module}`, pathToFileURL(`${root}/`)).href)
const { FileBlockDevice } = await load('block/file/index.js')
const { Consumer, Producer } = await load('index.js')
const { whoHolds } = await load('tools.js')

const notices = []
subscribe('shared-block-ring:claim', (notice) => notices.push(notice))
const device = await FileBlockDevice.open(path)
let held

async function attempt(operation) {
  try {
    return await operation()
  } catch (error) {
    return { code: error.code, message: error.message, holder: error.details?.holder }
  }
}

const commands = {
  /** Whether it has the system calls that `koffi` brings. */
  koffi: async () => device.capabilities.seek,
  take: ({ role = 'producer' }) =>
    attempt(async () => {
      if (role === 'consumer') {
        held = await Consumer.attach(device, { client })
        return 'taken'
      }
      const attached = await Producer.attach(device, { client })
      if (attached.status !== 'attached') return { status: attached.status }
      held = attached.producer
      return 'taken'
    }),
  async release() {
    await held?.close()
    held = undefined
    return 'released'
  },
  who: async ({ role = 'producer' }) => (await whoHolds(device))[role] ?? 'nobody',
  notices: async () => notices.splice(0),
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line)
  process.stdout.write(`${JSON.stringify(await commands[command](options))}\n`)
}
await held?.close()
await device.disconnect()
