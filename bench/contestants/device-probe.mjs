import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { transferOf } from '../lib/limits.mjs'
import { makeFile } from '../lib/plain-file.mjs'

const PAGE = { read: false, bytes: 4096 }

/** The same as fio does, made in this process: also where fio is not installed. */
export default {
  title: 'the device itself: fs.writeSync, O_DIRECT + O_DSYNC',
  short: 'fs.writeSync',
  kind: 'limit',
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
      commit: (count) => transfers(fd, PAGE, (done) => done < count),
      pace: (pauses) => pacedWrites(fd, pauses),
      close: () => closeSync(fd),
    }
  },
}

function transfersPerSecond(fd, transfer, ms) {
  const started = performance.now()
  const calls = transfers(fd, transfer, () => performance.now() < started + ms)
  return (calls * 1000) / (performance.now() - started)
}

/** One after the other, for as long as it is told to go on; answers how many there were. */
function transfers(fd, { read, bytes }, goOn) {
  const call = read ? readSync : writeSync
  const memory = alignedMemory(bytes)
  const places = Math.floor(fstatSync(fd).size / bytes)
  let calls = 0
  for (; goOn(calls); calls++) call(fd, memory, 0, bytes, (calls % places) * bytes)
  return calls
}

/** A device at rest takes longer. */
async function pacedWrites(fd, { count, fromMs, toMs }) {
  const memory = alignedMemory(PAGE.bytes)
  const times = []
  for (let at = 0; at < count; at++) {
    await sleep(fromMs + Math.random() * (toMs - fromMs))
    const started = performance.now()
    writeSync(fd, memory, 0, PAGE.bytes, at * PAGE.bytes)
    times.push((performance.now() - started) * 1000)
  }
  return times
}

/** Resizable memory begins at a page, as O_DIRECT needs it. */
function alignedMemory(bytes) {
  return new Uint8Array(new ArrayBuffer(bytes, { maxByteLength: bytes }))
}
