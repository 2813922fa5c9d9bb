import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { transferOf } from '../lib/limits.mjs'
import { makeFile } from '../lib/plain-file.mjs'

/** The same as fio does, made in this process: also where fio is not installed. */
export default {
  title: 'the device itself: fs.writeSync, O_DIRECT + O_DSYNC',
  limit: true,
  create: makeFile,
  async open(folder) {
    const { O_RDWR, O_DIRECT = 0, O_DSYNC } = constants
    const fd = openSync(join(folder, 'file'), O_RDWR | O_DIRECT | O_DSYNC)
    return {
      figure(column, ms) {
        const transfer = transferOf(column)
        if (transfer === undefined) return undefined
        return { rate: transfersPerSecond(fd, transfer, ms) * transfer.items }
      },
      close: () => closeSync(fd),
    }
  },
}

function transfersPerSecond(fd, { read, bytes }, ms) {
  const call = read ? readSync : writeSync
  // Resizable memory begins at a page, as O_DIRECT needs it.
  const memory = new Uint8Array(new ArrayBuffer(bytes, { maxByteLength: bytes }))
  const places = Math.floor(fstatSync(fd).size / bytes)
  const started = performance.now()
  let calls = 0
  for (; performance.now() < started + ms; calls++) {
    call(fd, memory, 0, bytes, (calls % places) * bytes)
  }
  return (calls * 1000) / (performance.now() - started)
}
