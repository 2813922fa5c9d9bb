import { join } from 'node:path'
import { fio, forMs } from '../lib/fio.mjs'
import { transferOf } from '../lib/limits.mjs'
import { makeFile } from '../lib/plain-file.mjs'

const PAGE = { read: false, bytes: 4096 }

/** What the device does for a program that makes one durable write after the other. */
export default {
  title: 'the device itself: fio psync, O_DIRECT + O_DSYNC',
  short: 'fio',
  kind: 'limit',
  program: 'fio',
  create: makeFile,
  async open(folder) {
    return {
      async figure(column, ms) {
        const transfer = transferOf(column)
        if (transfer === undefined) return undefined
        const { iops } = await transfers(folder, transfer, forMs(ms))
        return { rate: iops * transfer.items }
      },
      commit: (count) => transfers(folder, PAGE, [`--number_ios=${count}`]),
      close: () => undefined,
    }
  },
}

/** One after the other, until the end that is given. */
function transfers(folder, { read, bytes }, end) {
  const direction = read ? 'read' : 'write'
  const file = [`--filename=${join(folder, 'file')}`, `--rw=${direction}`, '--overwrite=1']
  const io = [`--bs=${bytes}`, '--ioengine=psync', '--direct=1', '--sync=dsync']
  return fio(direction, [...file, ...io, ...end])
}
