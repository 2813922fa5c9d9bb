/**
 * Yields one result of a call after the other, until it has stopped. An error after that is no error: stopping ends the
 * call too.
 * @throws as the call, while it has not stopped
 */
export async function* eachUntil<T>(
  hasStopped: () => boolean,
  call: () => Promise<T>,
): AsyncGenerator<T, void, undefined> {
  while (!hasStopped()) {
    let result: T
    try {
      result = await call()
    } catch (error) {
      if (hasStopped()) return
      throw error
    }
    yield result
  }
}
