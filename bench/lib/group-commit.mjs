// For contestants that commit only what one call is given: what is pushed while the event loop turns once is
// committed together, as a program with many callers would do it.

/** `commit` gets all waiting items at once; `push` resolves when they are committed. */
export function groupCommit(commit) {
  let waiting = []
  let running = false
  const run = async () => {
    running = true
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      try {
        await commit(group.map(({ item }) => item))
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
      // Those that go on now wait together for the next commit. One that was alone has nobody to wait for.
      if (group.length > 1) await new Promise((resolve) => setImmediate(resolve))
    }
    running = false
  }
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (!running) queueMicrotask(() => running || run())
    })
}
