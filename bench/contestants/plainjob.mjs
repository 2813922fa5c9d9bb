import { join } from 'node:path'
import { groupCommit } from '../lib/group-commit.mjs'

const TYPE = 'item'

export default {
  title: 'plainjob, synchronous=FULL; in flight: grouped',
  short: 'plainjob',
  needs: 'plainjob',
  async open(folder) {
    const [{ better, defineQueue }, { default: Database }] = await Promise.all([
      import('plainjob'),
      import('better-sqlite3'),
    ])
    const db = new Database(join(folder, 'jobs.db'))
    const silent = { error: console.error, warn() {}, info() {}, debug() {} }
    // Jobs are text. One byte a character, so that they take as much room as elsewhere.
    const serializer = (item) =>
      Buffer.from(item)
        .toString('latin1')
        .replace(/[^ -~]/g, '.')
    const queue = defineQueue({ connection: better(db), logger: silent, serializer })
    // It chooses NORMAL, which loses what was acknowledged in a power cut.
    db.pragma('synchronous = FULL')
    const pushMany = (items) => queue.addMany(TYPE, items)
    return {
      push: groupCommit(pushMany),
      pushMany,
      take(count) {
        let taken = 0
        for (; taken < count; taken++) {
          const job = queue.getAndMarkJobAsProcessing(TYPE)
          if (job === undefined) break
          queue.markJobAsDone(job.id)
        }
        return taken
      },
      clear: () => db.exec('DELETE FROM plainjob_jobs'),
      close: () => queue.close(),
    }
  },
}
