// The consuming side. It verifies every byte, and says what it was given before it acknowledges it.
import { Items, randomFrom } from '../../test/crash/items.mjs'
import { say } from '../../test/crash/say.mjs'
import { RingReader } from './package.mjs'
import { work } from './work.mjs'

const FORMAT = 2
const MAX_BATCH_BYTES = 120_000

await work(async (ring, { seed, count, life, owner, lease }) => {
  const items = new Items(seed, count, FORMAT)
  const random = randomFrom(seed + 2 * life + 1)
  const reader = await RingReader.open(ring, { queue: 'lab', client: owner, lease })
  let next = items.before(reader.consumer.position)
  say({ event: 'start', next })
  while (next < count) {
    const entries = await reader.receiveMany({ maxBytes: 1 + random(MAX_BATCH_BYTES) })
    const from = next
    for (const { item, position } of entries) {
      if (!items.item(next).equals(item)) throw new Error(`item ${next} has other bytes`)
      next++
      if (items.before(position) !== next) throw new Error(`item ${next - 1} ends at ${position}`)
    }
    say({ event: 'delivered', from, next })
    // Mostly not past all of it, so that a restart has something to repeat.
    const last = next === count ? entries.length - 1 : random(entries.length)
    say({ event: 'begin', next: from + last + 1 })
    await reader.ackThrough(entries[last])
    say({ event: 'done', next: from + last + 1 })
  }
  await reader.close()
})
