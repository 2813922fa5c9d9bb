import type { BlockDevice } from '../../block/device.ts'
import { type Pace, paceOf, type Timing } from './timing.ts'

const KIB = 1024

/** The pace of requests of several sizes, one at a time. */
export type Transfers = readonly (Pace & { readonly bytes: number })[]

const READ_SIZES = [4 * KIB, 1024 * KIB]
const WRITE_SIZES = [4 * KIB, 64 * KIB, 1024 * KIB]

/** Reads at random offsets. Sizes that do not fit the device are omitted. */
export async function measureReads(device: BlockDevice, timing: Timing): Promise<Transfers> {
  return measure(device, READ_SIZES, timing, async (sector, buffer) => {
    await device.read(sector, [buffer])
  })
}

/** Durable writes at random offsets: the whole device may be overwritten. */
export async function measureWrites(device: BlockDevice, timing: Timing): Promise<Transfers> {
  return measure(device, WRITE_SIZES, timing, async (sector, buffer) => {
    await device.write(sector, [buffer], { durable: true })
  })
}

async function measure(
  device: BlockDevice,
  sizes: readonly number[],
  timing: Timing,
  transfer: (sector: number, buffer: Uint8Array) => Promise<void>,
): Promise<Transfers> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const measured: (Pace & { readonly bytes: number })[] = []
  for (const bytes of sizes) {
    const sectors = bytes / sectorSize
    const slots = Math.floor(sizeSectors / sectors)
    if (slots === 0 || !Number.isInteger(sectors)) continue
    // Random bytes are written by every disk, even by those that skip zeroes or repetitions.
    const buffer = randomBytes(device.allocate(bytes))
    const pace = await paceOf(
      () => transfer(Math.floor(Math.random() * slots) * sectors, buffer),
      timing,
    )
    measured.push({ bytes, ...pace })
  }
  return measured
}

/** `getRandomValues` takes at most 64 KiB. */
function randomBytes(buffer: Uint8Array): Uint8Array {
  for (let at = 0; at < buffer.length; at += 64 * KIB) {
    const part = new Uint8Array(Math.min(64 * KIB, buffer.length - at))
    buffer.set(crypto.getRandomValues(part), at)
  }
  return buffer
}
