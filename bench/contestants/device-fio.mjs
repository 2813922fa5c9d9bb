import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { transferOf } from '../lib/limits.mjs'
import { makeFile } from '../lib/plain-file.mjs'

const run = promisify(execFile)
/** Much more than any measurement takes. */
const TIMEOUT_MS = 60_000
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
        const { iops } = await fio(folder, transfer, [
          '--time_based',
          `--runtime=${Math.ceil(ms)}ms`,
        ])
        return { rate: iops * transfer.items }
      },
      commit: (count) => fio(folder, PAGE, [`--number_ios=${count}`]),
      close: () => undefined,
    }
  },
}

/** What it tells about its transfers, one after the other until the end that is given. */
async function fio(folder, { read, bytes }, end) {
  const direction = read ? 'read' : 'write'
  const job = ['--name=limit', `--filename=${join(folder, 'file')}`, `--rw=${direction}`]
  const io = [`--bs=${bytes}`, '--ioengine=psync', '--direct=1', '--sync=dsync', '--overwrite=1']
  const { stdout } = await run('fio', [...job, ...io, ...end, '--output-format=json'], {
    timeout: TIMEOUT_MS,
  })
  return JSON.parse(stdout).jobs[0][direction]
}
