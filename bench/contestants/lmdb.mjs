import { join } from 'node:path'
import { pollFor } from '../lib/poll.mjs'

export default {
  title: 'lmdb, each commit flushed',
  needs: 'lmdb',
  sharedByProcesses: true,
  async open(folder) {
    const { open } = await import('lmdb')
    // With overlappingSync, on by default, a commit would be answered before it is flushed.
    const db = open({
      path: join(folder, 'queue.lmdb'),
      encoding: 'binary',
      keyEncoding: 'uint32',
      overlappingSync: false,
      mapSize: 1 << 30,
    })
    let next = 1 + ([...db.getKeys({ reverse: true, limit: 1 })][0] ?? 0)
    const take = async (count, onItem) => {
      const keys = []
      for (const { key, value } of db.getRange({ limit: count })) {
        onItem?.(value)
        keys.push(key)
      }
      if (keys.length > 0) await Promise.all(keys.map((key) => db.remove(key)))
      return keys.length
    }
    return {
      push: (item) => db.put(next++, item),
      pushMany: (items) => Promise.all(items.map((item) => db.put(next++, item))),
      take,
      clear: () => db.clearAsync(),
      receive: pollFor((onItem) => take(1, onItem)),
      close: () => db.close(),
    }
  },
}
