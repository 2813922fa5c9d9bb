// The producing side. It remembers nothing: the ring's own position says which item comes next.
import { once } from 'node:events'
import process from 'node:process'
import { Items, randomFrom } from '../../test/crash/items.mjs'
import { say } from '../../test/crash/say.mjs'
import { RingWriter } from './package.mjs'
import { work } from './work.mjs'

const FORMAT = 2
const MAX_BATCH_BYTES = 60_000

/** How far it may go: it is told so as the lab goes on. */
let limit = 0
process.on('message', (message) => {
  limit = message.limit
})

await work(async (ring, { seed, count, life, owner, lease }) => {
  const items = new Items(seed, count, FORMAT)
  const random = randomFrom(seed + 2 * life)
  const writer = await RingWriter.open(ring, { queue: 'lab', client: owner, lease })
  let next = items.before(writer.producer.position)
  say({ event: 'start', next })
  while (next < count) {
    while (next >= limit) await once(process, 'message')
    const batch = items.batch(next, random(MAX_BATCH_BYTES)).slice(0, limit - next)
    next += batch.length
    say({ event: 'begin', next })
    await writer.pushMany(batch)
    say({ event: 'done', next })
  }
  await writer.close()
})
