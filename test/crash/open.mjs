import { FileBlockDevice } from '../../dist/block/file.js'
import { NbdBlockDevice } from '../../dist/block/nbd.js'

/** Opens the device that the crash test names: the path of a file, or an NBD URI. */
export function openDevice(name) {
  return name.startsWith('nbd') ? NbdBlockDevice.connect(name) : FileBlockDevice.open(name)
}
