// What another user of the machine may try: `stranger.mjs ROOT RING NAME`, as `runtime-child.mjs`. It knows the code
// inside the package, so it runs the modules before they are bundled.
import { openSync, statSync } from 'node:fs'
import * as net from 'node:net'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [root = '', path = ''] = process.argv.slice(2)
const load = (module) => import(new URL(`.build/${module}`, pathToFileURL(`${root}/`)).href)
const { claimAddress } = await load('block/claim/address.js')
const { converse } = await load('block/claim/client.js')
const { FileBlockDevice } = await load('block/file/index.js')
const { loadNative } = await load('block/native/calls.js')
const { fileKey } = await load('block/file/open.js')
const { deviceId } = await load('block/file/sysfs.js')
const { keyOf } = await load('ring/shared/key.js')
const native = await loadNative()

// `stat` takes no right to the file.
const stats = statSync(path, { bigint: true })
const key = stats.isBlockDevice() ? `block-${deviceId(stats.rdev)}` : fileKey(stats)
const namesOf = (role) => claimAddress(key, role).paths

const ROLES = ['producer', 'consumer']

const commands = {
  /** Listens at all names that it can spell, and says nothing. */
  async squat() {
    for (const name of ROLES.flatMap(namesOf)) {
      const server = net.createServer((socket) => socket.on('error', () => undefined))
      await new Promise((resolve, reject) => {
        server.on('error', reject)
        server.listen({ path: name }, resolve)
      })
    }
    return 'squatting'
  },
  /** Whether it can open the ring. */
  async open() {
    try {
      await (await FileBlockDevice.open(path)).disconnect()
      return 'opened'
    } catch (error) {
      return error.code
    }
  },
  /** Takes the roles by their names, as a reader of the ring who can prove that. */
  async claimReadOnly() {
    const device = await FileBlockDevice.open(path, { mode: 'read-only' })
    for (const role of ROLES) {
      await device.claim(role, { holder: 'a reader', key: keyOf(device) })
    }
    return 'claimed'
  },
  /** Locks all of the file for reading, which takes no more than the right to read it. */
  async lockForReading() {
    const koffi = (await import('koffi')).default
    const fcntl = koffi.load(null).func('int fcntl(int fd, int command, ...)')
    const flock = koffi.struct({
      l_type: 'short',
      l_whence: 'short',
      l_start: 'long',
      l_len: 'long',
      l_pid: 'int',
    })
    const lock = { l_type: 0, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 }
    const F_OFD_SETLK = 37
    return fcntl(openSync(path, 'r'), F_OFD_SETLK, koffi.pointer(flock), lock) === 0
  },
  /** Asks for it in every way, without having read the ring. */
  async askToSuspend() {
    const outcomes = []
    for (const name of namesOf('consumer')) {
      const conversation = { name: `${key}/consumer`, request: 'suspend', native }
      outcomes.push((await converse(name, conversation)).kind)
      outcomes.push(await sayTo(name, 'suspend\n'))
    }
    return outcomes
  },
  /** Calls again and again, for a while. */
  async flood({ calls }) {
    const [name] = namesOf('consumer')
    for (let call = 0; call < calls; call += 16) {
      await Promise.all(Array.from({ length: 16 }, () => sayTo(name, 'suspend\n')))
    }
    return 'flooded'
  },
}

/** Says a line, and answers whether anything but the challenge came back. */
function sayTo(name, line) {
  return new Promise((resolve) => {
    let heard = ''
    const socket = net.connect({ path: name })
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      heard += chunk
    })
    socket.on('close', () => resolve(heard.split('\n').length > 2 ? 'answered' : 'no answer'))
    socket.write(line)
  })
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line)
  process.stdout.write(`${JSON.stringify(await commands[command](options))}\n`)
}
