// How a long run ends early: by a signal to its process, or by a limit of its own.

/**
 * Ends a run at SIGINT and SIGTERM, with their exit code, and after `limitMs` if there is one.
 * @returns `stopped`, aborted by a signal to the process alone, and `signal`, aborted by either
 */
export function stopOnSignals(limitMs) {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM']) {
    process.once(name, (_, number) => {
      process.exitCode = 128 + number
      stop.abort(new Error(`stopped by ${name}`))
    })
  }
  const stopped = stop.signal
  const signal =
    limitMs === undefined ? stopped : AbortSignal.any([stopped, AbortSignal.timeout(limitMs)])
  return { stopped, signal }
}
