import { isBlockError } from '../../errors.ts'
import { buffersFor } from '../buffers.ts'
import { type Area, readAt } from './byte-range.ts'
import { fillRandom } from './random.ts'

/**
 * True if data written to a device appears at another one, whatever their names: a file and an export of it are one
 * storage. Briefly writes random bytes there, durably, so no other program may use the target.
 * @param before the target's content from that byte on, whole sectors: it is restored
 * @param readOther reads the same bytes of the other device; resolves with undefined if it has none there
 * @throws {BlockError} a code of a device; the target's content is restored unless it refused that write
 */
export async function appearsAt(
  { device, info }: Area,
  offset: number,
  before: Uint8Array,
  readOther: () => Promise<Uint8Array | undefined>,
): Promise<boolean> {
  const write = (bytes: Uint8Array): Promise<void> =>
    device.write(offset / info.sectorSize, buffersFor(device, info.sectorSize, bytes), {
      durable: true,
    })
  const probe = device.allocate(before.length)
  // Not by `getRandomValues` itself, which fills 64 KiB at most.
  fillRandom(probe, crypto.getRandomValues(new Uint32Array(1))[0] ?? 0, 0)
  try {
    await write(probe)
    const found = await readOther()
    return found?.every((byte, at) => byte === probe[at]) ?? false
  } finally {
    await write(before)
  }
}

/**
 * Checks that a copy of the source to the target does not overwrite what it reads. The test uses the last unit, which
 * the copy overwrites anyway: a crash meanwhile leaves random bytes there. If the target's last unit is unreadable,
 * the source's bytes are written there, which are its own if both are one storage.
 * @throws {TypeError} both are one storage; nothing was changed
 * @throws {BlockError} a code of a device
 */
export async function checkApart(source: Area, target: Area, unitBytes: number): Promise<void> {
  if (target.sizeBytes === 0) return
  const offset = target.sizeBytes - unitBytes
  const readLast = async (area: Area): Promise<Uint8Array> => {
    const last = area.device.allocate(unitBytes)
    await readAt(area, offset, last)
    return last
  }
  const before = await readLast(target).catch((error: unknown) => {
    if (isBlockError(error) && error.code === 'BLOCK_IO') return readLast(source)
    throw error
  })
  const isOne = await appearsAt(target, offset, before, () => readLast(source))
  if (isOne) {
    throw new TypeError(
      `${source.device.name} and ${target.device.name} are one storage, which cannot be copied to itself: a write to ` +
        'the last sector of one appeared in the other; it was restored',
    )
  }
}
