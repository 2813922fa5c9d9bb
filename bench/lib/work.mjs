// The work of each column, over what a contestant opened (see contestants.mjs). Bounded in time, items and bytes.
// Each answers { rate, cpu }: items a second, and microseconds of this process's processors an item, which tells what
// the software costs also where the disk or the rest of the machine is busy.
const MAX_BYTES = 64 << 20
const MAX_ITEMS = 200_000
const BLOCK_BYTES = 4096
/** How many times as long as a measurement it may take to push what is drained: some push 10 MB a second. */
const FILL_TIMES = 4
/** Items of a call that prepares something. */
const FILLED = 1000
/** How much more is prepared than the last round took. */
const MARGIN = 1.3

const now = () => performance.now()

/** Random, so that nothing is gained by compressing; many, so that not all of them stay in the nearest cache. */
export function makeItems(itemBytes) {
  const count = Math.max(4, Math.min(1000, Math.floor((4 << 20) / itemBytes)))
  const noise = new Uint8Array(itemBytes * count)
  for (let at = 0; at < noise.length; at += 65_536) {
    crypto.getRandomValues(noise.subarray(at, at + 65_536))
  }
  return Array.from({ length: count }, (_, index) =>
    noise.slice(index * itemBytes, (index + 1) * itemBytes),
  )
}

/** A commit of a few small items takes a block all the same. */
const mostItems = (itemBytes, itemsInCommit) =>
  Math.min(MAX_ITEMS, Math.floor(MAX_BYTES / Math.max(itemBytes, BLOCK_BYTES / itemsInCommit)))

class Stopwatch {
  #started = now()
  #cpu = process.cpuUsage()

  get elapsedMs() {
    return now() - this.#started
  }

  stop(count) {
    const { user, system } = process.cpuUsage(this.#cpu)
    return { rate: (count * 1000) / this.elapsedMs, cpu: (user + system) / count }
  }
}

/** Items a second, with so many pushes waiting at any time. */
export function pushInFlight(lanes) {
  return async (store, { items, itemBytes, ms }) => {
    await store.clear()
    const most = mostItems(itemBytes, lanes)
    const watch = new Stopwatch()
    let begun = 0
    const lane = async () => {
      while (begun < most && watch.elapsedMs < ms) await store.push(items[begun++ % items.length])
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    return watch.stop(begun)
  }
}

/** Items a second, so many in each call. */
export function pushBatches(size) {
  return async (store, { items, itemBytes, ms }) => {
    await store.clear()
    const batch = batchOf(items, size)
    const most = mostItems(itemBytes, size)
    const watch = new Stopwatch()
    let done = 0
    while (done + size <= most && watch.elapsedMs < ms) {
      await store.pushMany(batch)
      done += size
    }
    return watch.stop(done)
  }
}

/** Items a second, taken and acknowledged so many at a time. */
export function takeAll(size) {
  const expected = new Map()
  return async (store, { items, itemBytes, ms }) => {
    const likely = ((expected.get(itemBytes) ?? 0) * MARGIN * ms) / 1000
    const wanted = Math.min(mostItems(itemBytes, FILLED), Math.max(20 * size, Math.ceil(likely)))
    await store.clear()
    await fill(store, items, wanted)
    const watch = new Stopwatch()
    let done = 0
    while (done < wanted && watch.elapsedMs < ms) {
      const taken = await store.take(Math.min(size, wanted - done))
      if (taken === 0) throw new Error(`items were lost: ${done} of ${wanted} came back`)
      done += taken
    }
    const measured = watch.stop(done)
    expected.set(itemBytes, measured.rate)
    return measured
  }
}

/**
 * Items a second, so many in each acknowledgement: all that were pushed before, of which there are fewer where pushing
 * takes long.
 */
export function drainLarge(size) {
  return async (store, { items, itemBytes, ms }) => {
    await store.clear()
    const began = now()
    const most = MAX_BYTES / itemBytes
    let pushed = 0
    while (pushed < most && (pushed < 2 * size || now() < began + FILL_TIMES * ms)) {
      await store.push(items[pushed++ % items.length])
    }
    const watch = new Stopwatch()
    for (let done = 0; done < pushed; ) {
      const taken = await store.take(Math.min(size, pushed - done))
      if (taken === 0) throw new Error(`items were lost: ${done} of ${pushed} came back`)
      done += taken
    }
    return watch.stop(pushed)
  }
}

async function fill(store, items, count) {
  for (let done = 0; done < count; ) {
    const size = Math.min(FILLED, count - done)
    await store.pushMany(batchOf(items, size))
    done += size
  }
}

function batchOf(items, size) {
  return Array.from({ length: size }, (_, index) => items[index % items.length])
}
