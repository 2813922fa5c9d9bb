// The process that is killed: `node crash-child.mjs <device> <side file> <first id> <run | finish | leave>`. It pushes
// operations and performs them into the side file, where every line says what happened; see history.ts.
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import process from 'node:process'
import { FileBlockDevice } from '../../dist/block/file/index.js'
import { json } from '../../dist/codec/index.js'
import { Journal } from '../../dist/journal/index.js'

const [path, sideFile, firstId, mode] = process.argv.slice(2)
const side = openSync(sideFile, 'a')
const note = (kind, id) => writeSync(side, `${kind} ${id}\n`)

async function perform(operations) {
  note('call', operations[0].id)
  const failAfter = Math.random() < 0.3 ? Math.floor(Math.random() * operations.length) : -1
  for (const [index, { id }] of operations.entries()) {
    if (index === failAfter) return { error: 'a failure now and then' }
    note('run', id)
  }
  fsyncSync(side)
  return undefined
}

async function pushOn(journal) {
  let id = Number(firstId)
  for (;;) {
    const burst = Array.from({ length: 1 + Math.floor(Math.random() * 8) }, () =>
      pushOne(journal, id++),
    )
    await Promise.all(burst)
  }
}

async function pushOne(journal, id) {
  note('push', id)
  const { done } = await journal.push({ id, filler: 'x'.repeat(Math.random() * 400) })
  note('ack', id)
  done.then(() => note('done', id))
}

const device = await FileBlockDevice.open(path)
const journal = await Journal.open(device, perform, {
  codec: json(),
  ...{
    performIntervalMs: mode === 'leave' ? 500 : 2,
    backoff: { firstMs: 2, maxMs: 5 },
    maxPerformItems: 7,
  },
})
process.stdout.write('started\n')
if (mode === 'run') await pushOn(journal)
if (mode === 'leave') {
  // The timer of what was pushed keeps the process alive, and then nothing does.
  await pushOne(journal, Number(firstId))
} else {
  await journal.sync()
  await journal.close()
  await device.disconnect()
  closeSync(side)
}
