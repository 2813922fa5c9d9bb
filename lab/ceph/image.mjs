// The image, as a host has it.
import { NbdBlockDevice, PartitionBlockDevice } from './package.mjs'

/** Does something with the image, and disconnects. */
export async function onImage(uri, act) {
  const device = await NbdBlockDevice.open(uri)
  try {
    return await act(device)
  } finally {
    await device.disconnect()
  }
}

/** The part of the image that holds the ring. */
export async function ringOf(device, ringBytes) {
  const { sectorSize } = await device.getInfo()
  return PartitionBlockDevice.open(device, { sectorStart: 0, sectors: ringBytes / sectorSize })
}
