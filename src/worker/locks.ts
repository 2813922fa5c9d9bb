/** The part of a `LockManager` that is used here: `navigator.locks`. */
export interface WorkerLocks {
  /** Calls back once the lock is free, and holds it until the promise settles. `signal` ends the wait. */
  request(
    name: string,
    options: { readonly signal?: AbortSignal },
    callback: () => Promise<void>,
  ): Promise<unknown>
}

/** The locks of this page or worker; undefined in runtimes without them, such as Node before 24. */
export function locksHere(): WorkerLocks | undefined {
  const { navigator } = globalThis as { readonly navigator?: { readonly locks?: WorkerLocks } }
  return navigator?.locks
}

/** A held lock. */
export interface HeldLock {
  readonly name: string
  release(): void
}

/**
 * Holds a lock with a new name, which the browser releases when this page or worker ends, for whatever reason.
 * Undefined where no lock is available, as in an origin without storage: then only the port reports the end.
 */
export async function holdNew(
  locks: WorkerLocks | undefined,
  whose: 'page' | 'worker',
): Promise<HeldLock | undefined> {
  if (locks === undefined) return undefined
  const name = `shared-block-ring:${whose}:${crypto.randomUUID()}`
  try {
    return { name, release: await hold(locks, name) }
  } catch {
    return undefined
  }
}

async function hold(locks: WorkerLocks, name: string): Promise<() => void> {
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  await new Promise<void>((resolve, reject) => {
    const held = async (): Promise<void> => {
      resolve()
      await released
    }
    locks.request(name, {}, held).catch(reject)
  })
  return release
}

/** Calls back when a lock is free, unless the signal is aborted before. */
export function onceFree(
  locks: WorkerLocks,
  name: string,
  signal: AbortSignal,
  isFree: () => void,
): void {
  const then = async (): Promise<void> => {
    if (!signal.aborted) isFree()
  }
  // A request fails because of the signal, or where no lock is available: then only the port reports the end.
  locks.request(name, { signal }, then).catch(() => undefined)
}
