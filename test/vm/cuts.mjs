import { setImmediate as immediate } from 'node:timers/promises'
import { randomFrom } from '../crash/items.mjs'
import { KEEPS, RecordedDisk } from './disk.mjs'
import { marksIn, Progress } from './marks.mjs'
import { countEntries, readEntries } from './record.mjs'
import { verify } from './verdict.mjs'

/** Entries from the start of a record at all of which the power is cut: among them is the creation of the ring. */
const FIRST_CUTS = 40

/**
 * Cuts the power at entries of a record that a seed chooses, and checks every disk that this leaves, up to the first
 * that breaks a promise. Answers what was done, and `broken` with the entry, what was kept, the disk and the message.
 */
export async function cutAll(record, { format, items, seed, cuts, signal, lies = false }) {
  const random = randomFrom(seed)
  const entries = countEntries(record)
  const chosen = chooseCuts(entries, cuts, random)
  const disk = new RecordedDisk({ lies })
  const progress = new Progress()
  const counts = { entries, flushes: 0, cuts: 0, disks: 0, torn: 0 }
  let entry = 0
  for (const recorded of readEntries(record)) {
    entry++
    disk.apply(recorded)
    for (const mark of marksIn(recorded)) progress.hear(mark)
    if (recorded.flush) counts.flushes++
    // A lie is to be found in the work of the ring, not in its creation.
    if (!chosen.has(entry) || (lies && progress.producer.done === 0)) continue
    counts.cuts++
    // Devices in memory never wait, so that signals would not be heard.
    await immediate()
    signal.throwIfAborted()
    // With nothing to lose, all of them leave the same.
    for (const keep of disk.unstable === 0 ? KEEPS.slice(0, 1) : KEEPS) {
      const medium = disk.cut(keep, random)
      counts.disks++
      if (keep === 'some sectors') counts.torn++
      try {
        await verify(medium, progress, { format, items, consumerFirst: random(2) === 0 })
      } catch ({ message }) {
        return { ...counts, broken: { entry, keep, medium, message } }
      }
    }
  }
  return counts
}

function chooseCuts(entries, cuts, random) {
  const chosen = new Set(Array.from({ length: FIRST_CUTS }, (_, entry) => entry + 1))
  while (chosen.size < Math.min(FIRST_CUTS + cuts, entries)) chosen.add(1 + random(entries))
  return chosen
}
