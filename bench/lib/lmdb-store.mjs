import { join } from 'node:path'
import { pollFor } from './poll.mjs'

/**
 * lmdb as a contestant. With `overlappingSync`, its default, it answers a commit before it is on stable storage, so
 * that one has to wait for `flushed` too; without, each commit is flushed before the next one.
 */
export function lmdbContestant({ overlappingSync, ...rest }) {
  return {
    ...rest,
    needs: 'lmdb',
    sharedByProcesses: true,
    async open(folder) {
      const { open } = await import('lmdb')
      const db = open({
        path: join(folder, 'queue.lmdb'),
        encoding: 'binary',
        keyEncoding: 'uint32',
        overlappingSync,
        mapSize: 1 << 30,
      })
      const durable = async (commit) => {
        await commit
        if (overlappingSync) await db.flushed
      }
      let next = 1 + ([...db.getKeys({ reverse: true, limit: 1 })][0] ?? 0)
      const put = (item) => db.put(next++, item)
      const take = async (count, onItem) => {
        const keys = []
        for (const { key, value } of db.getRange({ limit: count })) {
          onItem?.(value)
          keys.push(key)
        }
        if (keys.length > 0) await durable(Promise.all(keys.map((key) => db.remove(key))))
        return keys.length
      }
      return {
        push: (item) => durable(put(item)),
        pushMany: (items) => durable(Promise.all(items.map(put))),
        take,
        clear: () => db.clearAsync(),
        receive: pollFor((onItem) => take(1, onItem)),
        close: () => db.close(),
      }
    },
  }
}
