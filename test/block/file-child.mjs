// A second process for the tests of FileBlockDevice: `node file-child.mjs <command> <path> [json options]`.
// It uses the built code, as a user's process does.
import process from 'node:process'
import { FileBlockDevice } from '../../dist/block/file/index.js'

const [command, path, json = '{}'] = process.argv.slice(2)
const options = JSON.parse(json)

function say(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

const commands = {
  /** Claims a role, and stays until it is killed or its input ends. */
  async claim() {
    const device = await FileBlockDevice.open(path, options.open)
    try {
      await device.claim(options.role, {
        holder: options.holder,
        onRequest: async (request) => `${options.holder} heard ${request}`,
      })
      say({ claimed: true })
      process.stdin.on('end', () => device.disconnect()).resume()
    } catch (error) {
      say({ code: error.code, message: error.message, details: error.details })
      await device.disconnect()
    }
  },

  /** Claims and watches, and does nothing: the process has to end by itself. */
  async idle() {
    const device = await FileBlockDevice.open(path, options.open)
    await device.claim('producer', { holder: 'idle', onRequest: async () => '' })
    device.watch(() => undefined)
    say({ claimed: true })
  },

  /** Dies while it creates. */
  async dieCreating() {
    await FileBlockDevice.create(path, {
      ...options,
      onProgress: () => process.kill(process.pid, 'SIGKILL'),
    })
  },

  /** A plain write, two durable ones and a flush, for a list of the system calls that they make. */
  async write() {
    const device = await FileBlockDevice.open(path, options.open)
    const buffer = device.allocate(4096)
    await device.write(0, [buffer])
    await device.write(8, [buffer], { durable: true })
    await device.write(16, [new Uint8Array(options.large ?? 4096)], { durable: true })
    await device.flush()
    await device.disconnect()
  },

  /** Durable writes, one after the other, likewise. */
  async durable() {
    const device = await FileBlockDevice.open(path, options.open)
    const buffer = device.allocate(4096)
    for (let write = 0; write < options.writes; write++) {
      await device.write(write * 8, [buffer], { durable: true })
    }
    await device.disconnect()
  },
}

await commands[command]()
