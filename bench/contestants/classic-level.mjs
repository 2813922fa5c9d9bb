import { join } from 'node:path'
import { groupCommit } from '../lib/group-commit.mjs'

export default {
  title: 'classic-level, sync; in flight: grouped',
  short: 'classic-level',
  needs: 'classic-level',
  async open(folder) {
    const { ClassicLevel } = await import('classic-level')
    const db = new ClassicLevel(join(folder, 'queue.level'), { valueEncoding: 'view' })
    await db.open()
    let next = 0
    const key = () => String(next++).padStart(12, '0')
    const pushMany = (items) =>
      db.batch(
        items.map((value) => ({ type: 'put', key: key(), value })),
        { sync: true },
      )
    let from = ''
    return {
      push: groupCommit(pushMany),
      pushMany,
      async take(count) {
        // Not from the start: what was deleted is stepped over one by one.
        const entries = await db.iterator({ gt: from, limit: count }).all()
        const removals = entries.map(([taken]) => ({ type: 'del', key: taken }))
        await db.batch(removals, { sync: true })
        from = entries.at(-1)?.[0] ?? from
        return entries.length
      },
      clear: () => db.clear({ gt: from }),
      close: () => db.close(),
    }
  },
}
