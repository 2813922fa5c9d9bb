// Runs in a dedicated worker of the browser: `{ id, call, args }` calls one of the functions beneath, and `{ id, value
// }` or `{ id, error }` is the answer.
import { OpfsBlockDevice } from '/dist/block/opfs/index.js'
import { json } from '/dist/codec/index.js'
import { deviceConformanceCases } from '/dist/conformance/index.js'
import { RingReader, RingWriter } from '/dist/index.js'
import { Journal } from '/dist/journal/index.js'

const held = {}
let files = 0

const calls = {
  /** Runs the conformance suite; the names of the cases that passed, and what failed. */
  async conformance() {
    const sizeBytes = 2048 * 512
    const opened = []
    const open = async (options = {}) => {
      const device = await OpfsBlockDevice.openOrCreate(`conformance/${++files}`, {
        sizeBytes,
        ...options,
      })
      opened.push(device.name)
      return device
    }
    const { isOnlyHandle: exclusive } = await open()
    const cases = deviceConformanceCases({
      open,
      reopen: ({ name }) => OpfsBlockDevice.open(name),
      // Some browsers have a file open once.
      ...(!exclusive && { openSecond: ({ name }) => OpfsBlockDevice.open(name) }),
      openReadOnly: () => open({ mode: 'read-only' }),
    })
    const results = { exclusive, passed: [], skipped: [], failed: [] }
    for (const { name, run } of cases) {
      try {
        const { status, reason } = await run()
        results[status].push(status === 'skipped' ? `${name}: ${reason}` : name)
      } catch (error) {
        results.failed.push(`${name}: ${error}`)
      }
    }
    return results
  },

  /** Writes an image into a file. */
  async put(path, bytes) {
    const device = await OpfsBlockDevice.openOrCreate(path, { sizeBytes: bytes.length })
    await device.write(0, [new Uint8Array(bytes)], { durable: true })
    await device.disconnect()
  },

  /** All bytes of a file. */
  async get(path) {
    const device = await OpfsBlockDevice.open(path)
    const { sizeSectors, sectorSize } = await device.getInfo()
    const bytes = new Uint8Array(sizeSectors * sectorSize)
    await device.read(0, [bytes])
    await device.disconnect()
    return [...bytes]
  },

  /** Damages an item with this text. */
  async spoil(path, text) {
    const device = await OpfsBlockDevice.open(path)
    const { sizeSectors, sectorSize } = await device.getInfo()
    const sector = new Uint8Array(sectorSize)
    for (let at = 0; at < sizeSectors; at++) {
      await device.read(at, [sector])
      const found = new TextDecoder('latin1').decode(sector).indexOf(text)
      if (found < 0) continue
      sector[found] = 0
      await device.write(at, [sector], { durable: true })
    }
    await device.disconnect()
  },

  async openWriter(path, sizeBytes) {
    held.device = await OpfsBlockDevice.openOrCreate(path, { sizeBytes })
    held.writer = await RingWriter.open(held.device, { createIfMissing: true, codec: json() })
    return held.device.isOnlyHandle
  },

  async push(...items) {
    await held.writer.pushMany(items)
  },

  /** Pushes numbers without an end, and tells each that is committed. */
  async pushOn() {
    for (let number = 0; ; number++) {
      await held.writer.push({ number, filler: 'x'.repeat((number * 331) % 3000) })
      postMessage({ pushed: number })
    }
  },

  async openReader(path) {
    held.device = await OpfsBlockDevice.open(path)
    held.reader = await RingReader.open(held.device, { codec: json() })
  },

  /** The next items, acknowledged; waits for the first. */
  async take() {
    const entries = await held.reader.receiveMany()
    await held.reader.ackThrough(entries.at(-1))
    return entries.map(({ item }) => item)
  },

  /** What waits, acknowledged. */
  async drain() {
    const items = []
    for (;;) {
      const entries = await held.reader.tryReceiveMany()
      if (entries.length === 0) return items
      await held.reader.ackThrough(entries.at(-1))
      items.push(...entries.map(({ item }) => item))
    }
  },

  async close() {
    await held.reader?.close()
    await held.writer?.close()
    await held.device?.disconnect()
    for (const name of Object.keys(held)) delete held[name]
  },

  /** An outbox: operations go into a journal, and from there to a service by `fetch`, again until it takes them. */
  async outbox(path, url, orders) {
    held.device = await OpfsBlockDevice.openOrCreate(path, { sizeBytes: 1 << 20 })
    const perform = async (orders) => {
      for (const order of orders) {
        const response = await fetch(url, { method: 'POST', body: JSON.stringify(order) })
        if (!response.ok) throw new Error(`the service answered ${response.status}`)
      }
    }
    held.journal = await Journal.open(held.device, perform, {
      codec: json(),
      backoff: { firstMs: 20, maxMs: 50 },
    })
    for (const order of orders) await held.journal.push(order)
  },
}

addEventListener('message', async ({ data: { id, call, args } }) => {
  try {
    postMessage({ id, value: await calls[call](...args) })
  } catch (error) {
    postMessage({ id, error: { name: error.name, code: error.code, message: error.message } })
  }
})
postMessage({ ready: true })
