import { join } from 'node:path'
import { FileBlockDevice } from './ring.mjs'

/** A file that was written in full, because holes and extents not written yet cost each durable write more. */
export async function makeFile(folder) {
  const file = await FileBlockDevice.create(join(folder, 'file'), { sizeBytes: 64 << 20 })
  await file.disconnect()
}
