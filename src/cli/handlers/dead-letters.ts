import type { BlockDevice } from '../../block/device.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import { openDevice } from '../device/device.ts'
import { checkNotSame } from '../device/same-storage.ts'
import type { CommonFlags } from '../flags/flags.ts'

/** The device of the dead letter ring, if one was given. */
export interface OpenDeadLetters extends AsyncDisposable {
  readonly device: BlockDevice | undefined
}

/**
 * Opens the ring of dead letters; it has to exist.
 * @param path undefined: there is none
 * @throws {CommandError} it is the ring itself
 * @throws as `inspectRing`
 */
export async function openDeadLetters(
  path: string | undefined,
  ring: string,
  flags: CommonFlags,
  signal: AbortSignal,
): Promise<OpenDeadLetters> {
  if (path === undefined) return { device: undefined, [Symbol.asyncDispose]: async () => undefined }
  const device = await openDevice(path, 'read-write', flags)
  try {
    await checkNotSame(ring, path)
    await inspectRing(device, { signal })
    return { device, [Symbol.asyncDispose]: () => device.disconnect() }
  } catch (error) {
    await device.disconnect()
    throw error
  }
}
