// What the machine writes down of its own work, on the same disk, so that the record of the disk has it in its place
// among all other writes: `begin` before an operation, `done` when it was acknowledged. `next` is the index of the
// item after those that it speaks of.

export const SECTOR = 512
/** Small, so that a short run goes around it many times. */
export const RING_SECTORS = 1024
/** Marks lie after the ring, those of each role in a sector of its own. */
const ROLES = ['producer', 'consumer']
export const DISK_SECTORS = RING_SECTORS + ROLES.length

/** Writes a mark down. It need not be durable: only its place in the record counts. */
export async function putMark(device, role, event, next) {
  const sector = device.allocate(SECTOR)
  new TextEncoder().encodeInto(JSON.stringify({ event, next }), sector)
  await device.write(RING_SECTORS + ROLES.indexOf(role), [sector])
}

/** The marks that a recorded write has: the machine may write neighbouring sectors as one. */
export function marksIn({ sector, bytes }) {
  return ROLES.flatMap((role, index) => {
    const at = (RING_SECTORS + index - sector) * SECTOR
    if (at < 0 || at >= bytes.length) return []
    const text = bytes.subarray(at, bytes.indexOf(0, at)).toString()
    return [{ role, ...JSON.parse(text) }]
  })
}

/** What had been begun and acknowledged at some time. */
export class Progress {
  created = false
  producer = { begun: 0, done: 0 }
  consumer = { begun: 0, done: 0 }

  hear({ role, event, next }) {
    if (event === 'created') this.created = true
    else if (event === 'begin') this[role].begun = next
    else this[role] = { begun: next, done: next }
  }
}
