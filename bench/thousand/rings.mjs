// Many rings: partitions of one file, or a file each. The system tells of changes to a file.
import { join } from 'node:path'
import { FileBlockDevice, PartitionBlockDevice } from '../lib/ring.mjs'

/** Bytes of each. */
const RING_BYTES = 256 << 10
const SECTOR_BYTES = 512

export const LAYOUTS = {
  polled: 'partitions of one file, polled as a network device is',
  partitions: 'partitions of one file',
  files: 'a file each',
}

/** Makes the space for the rings. */
export async function makeSpace(folder, layout, rings) {
  const [files, sizeBytes] = layout === 'files' ? [rings, RING_BYTES] : [1, rings * RING_BYTES]
  for (let number = 0; number < files; number++) {
    await (await FileBlockDevice.create(pathOf(folder, number), { sizeBytes })).disconnect()
  }
}

/** Opens the rings' devices; `close` disconnects them. */
export async function openRings(folder, layout, rings, only) {
  const numbers = only ?? Array.from({ length: rings }, (_, number) => number)
  if (layout === 'files') {
    const devices = []
    for (const number of numbers) devices.push(await open(pathOf(folder, number)))
    return { devices, close: () => disconnect(devices) }
  }
  const whole = await open(pathOf(folder, 0))
  if (layout === 'polled') whole.capabilities = { ...whole.capabilities, watch: false }
  const sectors = RING_BYTES / SECTOR_BYTES
  const devices = []
  for (const number of numbers) {
    devices.push(await PartitionBlockDevice.open(whole, { sectorStart: number * sectors, sectors }))
  }
  return { devices, close: () => disconnect([whole]) }
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
