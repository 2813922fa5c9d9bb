// A ring of either format as a contestant, both roles in one process or one of them.
import { join } from 'node:path'
import { Consumer, FileBlockDevice, Producer, RingReader, RingWriter } from './ring.mjs'

/** Room for what one measurement pushes; much less where there are only some items at a time. */
const RING_BYTES = 160 << 20
const SMALL_RING_BYTES = 8 << 20
const CLEAR = { maxItems: 100_000, maxBytes: 4 << 20 }

/** Why the built package cannot be asked for an engine, or undefined. */
export async function engineProblem(engine) {
  if (engine === undefined) return undefined
  try {
    await FileBlockDevice.open('/dev/null', { engine: 'no such engine' })
  } catch (error) {
    if (error instanceof TypeError) return undefined
  }
  return 'this build has no engines to choose from'
}

/** A contestant over a ring in a regular file. */
export function ringContestant({ format, device = {}, views = false, ...rest }) {
  return {
    ...rest,
    kind: 'ring',
    engine: device.engine ?? 'pool',
    problem: () => engineProblem(device.engine),
    sharedByProcesses: true,
    async create(folder, use) {
      const sizeBytes = use === 'throughput' ? RING_BYTES : SMALL_RING_BYTES
      const file = await FileBlockDevice.create(join(folder, 'ring'), { sizeBytes })
      await Producer.create(file, { format })
      await file.disconnect()
    },
    async open(folder, role) {
      const path = join(folder, 'ring')
      const opened = await FileBlockDevice.open(path, device)
      const writer = role === 'receiver' ? undefined : await RingWriter.open(opened)
      const reader = role === 'sender' ? undefined : await openReader(opened, role, views)
      return store(opened, writer, reader, views)
    },
  }
}

/** Waiting, and views, are the face's; else, in one process, the operations beneath are used, as a worker that drains would. */
function openReader(device, role, views) {
  return role === 'receiver' || views ? RingReader.open(device) : Consumer.attach(device)
}

function store(device, writer, reader, views) {
  const take = async (limits) => {
    if (views) {
      const entries = await reader.tryReceiveMany({ ...limits, views })
      if (entries.length > 0) await reader.ackThrough(entries.at(-1))
      return entries.length
    }
    const popped = await reader.popMany(limits)
    const last = popped.at(-1)
    if (last !== undefined) await reader.advance(last.position)
    return popped.length
  }
  return {
    push: (item) => writer.push(item),
    pushMany: (items) => writer.pushMany(items),
    take: (maxItems) => take({ maxItems, maxBytes: 8 << 20 }),
    async clear() {
      while ((await take(CLEAR)) > 0);
    },
    async receive(onItem) {
      for await (const entry of reader.entries()) {
        onItem(entry.item)
        await entry.ack()
      }
    },
    async close() {
      await writer?.close()
      await (reader?.close?.() ?? reader?.close())
      await device.disconnect()
    },
  }
}
