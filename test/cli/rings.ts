import { FileBlockDevice } from '../../src/block/file/index.ts'
import { parseSize } from '../../src/cli/flags/size.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import type { RingInspection } from '../../src/ring/inspection.ts'
import { formatPosition } from '../../src/ring/shared/position-text.ts'
import { FORMAT } from '../helpers/format.ts'
import { SMALL, sectorsFor } from '../helpers/ring.ts'

// Rings are made and looked at by the library where the command line is not what a test is about: a process takes
// longer.

/** Makes a ring of the format of this run. */
export async function makeRing(path: string, size = '1MiB'): Promise<void> {
  await using device = await FileBlockDevice.create(path, { sizeBytes: parseSize(size) })
  await Producer.create(device, { format: FORMAT })
}

/** Makes a ring of the format of this run with about 2,500 bytes of data area, in format 2 with 4,096. */
export async function makeTinyRing(path: string): Promise<void> {
  await using device = await FileBlockDevice.create(path, { sizeBytes: sectorsFor(2560) * 512 })
  await Producer.create(device, SMALL)
}

/** An item that waits. */
interface Waiting {
  readonly position: string
  readonly bytes: Buffer
}

/** The state of a ring, which others may be at work on. */
export async function look(path: string): Promise<RingInspection> {
  await using device = await FileBlockDevice.open(path, { mode: 'read-only' })
  return await inspectRing(device)
}

/** The items that wait. */
export async function waiting(path: string): Promise<Waiting[]> {
  await using device = await FileBlockDevice.open(path, { mode: 'read-only' })
  const found: Waiting[] = []
  const state = await inspectRing(device)
  for await (const { item, position } of state.items()) {
    found.push({ position: formatPosition(position, state.format), bytes: Buffer.from(item) })
  }
  return found
}

/** The positions of the items that wait. */
export async function positions(path: string): Promise<string[]> {
  return (await waiting(path)).map(({ position }) => position)
}
