// Many rings: partitions of one file, a file each, or partitions of one NBD export. The system tells of changes to a file.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileBlockDevice, NbdBlockDevice, PartitionBlockDevice } from '../lib/ring.mjs'

/** Bytes of each. */
const RING_BYTES = 256 << 10
const SECTOR_BYTES = 512
/** So many are made, or attach, side by side. */
const TOGETHER = 32
/** A server begins within this. */
const START_MS = 10_000

export const LAYOUTS = {
  partitions: 'partitions of one file, which reports changes',
  files: 'a file each, which reports changes',
  polled: 'partitions of one file, polled',
  nbd: 'partitions of one NBD export, polled over one connection',
}

/** Makes the space for the rings. Ends with what is answered. */
export async function makeSpace(folder, layout, rings) {
  if (layout === 'nbd') return serve(folder, rings * RING_BYTES)
  const [files, sizeBytes] = layout === 'files' ? [rings, RING_BYTES] : [1, rings * RING_BYTES]
  for (let number = 0; number < files; number++) {
    await (await FileBlockDevice.create(pathOf(folder, number), { sizeBytes })).disconnect()
  }
  return async () => undefined
}

/** Serves memory, which is what the network leads to here. */
async function serve(folder, bytes) {
  const socket = socketOf(folder)
  const server = spawn('nbdkit', ['-f', '-U', socket, 'memory', String(bytes)], {
    stdio: 'inherit',
  })
  const ended = once(server, 'exit')
  for (const until = Date.now() + START_MS; !existsSync(socket); await sleep(10)) {
    if (server.exitCode !== null || Date.now() > until) throw new Error('nbdkit does not begin')
  }
  return async () => {
    server.kill()
    await ended
  }
}

/** Does something with each device, with some of them side by side. */
export async function withEach(devices, act) {
  const done = []
  for (let at = 0; at < devices.length; at += TOGETHER) {
    done.push(...(await Promise.all(devices.slice(at, at + TOGETHER).map(act))))
  }
  return done
}

/** Opens the rings' devices; `close` disconnects them. */
export async function openRings(folder, layout, rings, only) {
  const numbers = only ?? Array.from({ length: rings }, (_, number) => number)
  if (layout === 'files') {
    const devices = []
    for (const number of numbers) devices.push(await open(pathOf(folder, number)))
    return { devices, close: () => disconnect(devices) }
  }
  const whole = layout === 'nbd' ? await connect(folder) : await open(pathOf(folder, 0))
  if (layout === 'polled') whole.capabilities = { ...whole.capabilities, watch: false }
  const sectors = RING_BYTES / SECTOR_BYTES
  const devices = []
  for (const number of numbers) {
    devices.push(await PartitionBlockDevice.open(whole, { sectorStart: number * sectors, sectors }))
  }
  return { devices, close: () => disconnect([whole]) }
}

function connect(folder) {
  const uri = `nbd+unix:///?socket=${encodeURIComponent(socketOf(folder))}`
  return NbdBlockDevice.open(uri, { sectorSize: SECTOR_BYTES, connections: 1 })
}

function socketOf(folder) {
  return join(folder, 'nbd.sock')
}

function open(path) {
  return FileBlockDevice.open(path, { sectorSize: SECTOR_BYTES })
}

async function disconnect(devices) {
  for (const device of devices) await device.disconnect()
}

function pathOf(folder, number) {
  return join(folder, `ring-${number}`)
}
