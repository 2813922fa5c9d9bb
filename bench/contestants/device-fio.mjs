import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { transferOf } from '../lib/limits.mjs'
import { makeFile } from '../lib/plain-file.mjs'

const run = promisify(execFile)

/** What the device does for a program that makes one durable write after the other. */
export default {
  title: 'the device itself: fio psync, O_DIRECT + O_DSYNC',
  limit: true,
  program: 'fio',
  create: makeFile,
  async open(folder) {
    return {
      async figure(column, ms) {
        const transfer = transferOf(column)
        if (transfer === undefined) return undefined
        return { rate: (await transfersPerSecond(folder, transfer, ms)) * transfer.items }
      },
      close: () => undefined,
    }
  },
}

async function transfersPerSecond(folder, { read, bytes }, ms) {
  const direction = read ? 'read' : 'write'
  const job = ['--name=limit', `--filename=${join(folder, 'file')}`, `--rw=${direction}`]
  const io = [`--bs=${bytes}`, '--ioengine=psync', '--direct=1', '--sync=dsync', '--overwrite=1']
  const end = ['--time_based', `--runtime=${Math.ceil(ms)}ms`, '--output-format=json']
  const { stdout } = await run('fio', [...job, ...io, ...end], { timeout: 30_000 + ms })
  return JSON.parse(stdout).jobs[0][direction].iops
}
