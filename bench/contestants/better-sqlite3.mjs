import { join } from 'node:path'
import { groupCommit } from '../lib/group-commit.mjs'
import { pollFor } from '../lib/poll.mjs'

export default {
  title: 'better-sqlite3, WAL, synchronous=FULL; in flight: grouped',
  short: 'better-sqlite3',
  needs: 'better-sqlite3',
  sharedByProcesses: true,
  async open(folder) {
    const { default: Database } = await import('better-sqlite3')
    const db = new Database(join(folder, 'queue.db'))
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.pragma('busy_timeout = 5000')
    db.exec('CREATE TABLE IF NOT EXISTS queue (id INTEGER PRIMARY KEY, item BLOB)')
    const insert = db.prepare('INSERT INTO queue (item) VALUES (?)')
    const first = db.prepare('SELECT id, item FROM queue ORDER BY id LIMIT ?')
    const remove = db.prepare('DELETE FROM queue WHERE id <= ?')
    const pushMany = db.transaction((items) => {
      for (const item of items) insert.run(item)
    })
    const take = (count, onItem) => {
      const rows = first.all(count)
      for (const { item } of rows) onItem?.(item)
      const last = rows.at(-1)
      if (last !== undefined) remove.run(last.id)
      return rows.length
    }
    return {
      push: groupCommit(pushMany),
      pushMany,
      take,
      clear: () => db.exec('DELETE FROM queue'),
      receive: pollFor((onItem) => take(1, onItem)),
      close: () => db.close(),
    }
  },
}
