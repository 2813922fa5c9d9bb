import { FileBlockDevice } from '../../dist/block/file/index.js'

/** Opens the device that the crash test names: the path of a file, or an NBD URI. */
export async function openDevice(name) {
  if (!name.startsWith('nbd')) return FileBlockDevice.open(name)
  // A side is started dozens of times in a run, and mostly has no use for it.
  const { NbdBlockDevice } = await import('../../dist/block/nbd/index.js')
  return NbdBlockDevice.open(name)
}
