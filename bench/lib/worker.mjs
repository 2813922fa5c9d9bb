// A process of one contestant: `node worker.mjs CONTESTANT FOLDER ROLE`. It measures when it is told to, so that
// contestants do not share a heap, a thread pool or an event loop.
import { accessSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { COLUMNS } from './columns.mjs'
import { loadContestant } from './contestants.mjs'
import { BEGIN, COMMITS, END } from './marks.mjs'
import { makeItems } from './work.mjs'

/**
 * What a measurement begins with and does not count, as a share of it: queues run for days, and V8 compiles what runs often.
 * Longer the first time that a column is measured in a process.
 */
const WARM_UP = 5
const WARM_AGAIN = 0.5

const [id, folder, role] = process.argv.slice(2)
const contestant = await loadContestant(id)
const store = await contestant.open(folder, role)
const items = new Map()
const warm = new Set()

const actions = {
  async measure({ column: columnId, ms }) {
    if (store.figure !== undefined) return store.figure(columnId, ms)
    const column = COLUMNS.find((known) => known.id === columnId)
    const { itemBytes } = column
    if (!items.has(itemBytes)) items.set(itemBytes, makeItems(itemBytes))
    const measure = (forMs) =>
      column.measure(store, { items: items.get(itemBytes), itemBytes, ms: forMs })
    await measure(ms * (warm.has(columnId) ? WARM_AGAIN : WARM_UP))
    warm.add(columnId)
    return measure(ms)
  },

  /** Commits with nothing else in between, for those who count what the system was asked for. */
  async commit() {
    if (store.commit !== undefined) {
      mark(`${BEGIN}push`)
      await store.commit(COMMITS)
      mark(`${END}push`)
      return
    }
    const [item] = makeItems(100)
    await store.clear()
    await store.push(item)
    await store.take(1)
    mark(`${BEGIN}push`)
    for (let pushed = 0; pushed < COMMITS; pushed++) await store.push(item)
    mark(`${END}push`)
    mark(`${BEGIN}take`)
    for (let taken = 0; taken < COMMITS; taken++) await store.take(1)
    mark(`${END}take`)
  },

  /** Microseconds of single durable writes, for a device. */
  pace: (pauses) => store.pace?.(pauses),

  async send({ count, fromMs, toMs }) {
    for (let sent = 0; sent < count; sent++) {
      await sleep(fromMs + Math.random() * (toMs - fromMs))
      const item = Buffer.alloc(100)
      item.writeBigUInt64LE(process.hrtime.bigint())
      await store.push(item)
    }
  },

  /** Microseconds from push to receipt, of so many items. */
  receive: ({ count }) =>
    new Promise((resolve, reject) => {
      const times = []
      const onItem = (item) => {
        const sentAt = Buffer.from(item).readBigUInt64LE()
        times.push(Number(process.hrtime.bigint() - sentAt) / 1000)
        if (times.length === count) resolve(times)
      }
      store.receive(onItem).catch(reject)
    }),
}

process.on('message', async ({ action, ...options }) => {
  if (action === 'close') {
    await store.close()
    process.exit()
  }
  try {
    process.send({ answer: await actions[action](options) })
  } catch (error) {
    process.send({ error: error.stack ?? String(error) })
  }
})
process.on('disconnect', () => process.exit())
process.send({ answer: 'ready' })

/** Asks for a file that is not there, which shows in a trace of system calls. */
function mark(name) {
  try {
    accessSync(name)
  } catch {
    // That is meant.
  }
}
