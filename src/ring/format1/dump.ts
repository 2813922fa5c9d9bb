import type { BlockDevice } from '../../block/device.ts'
import { isRingError } from '../../errors.ts'
import type { RingInspection } from '../inspection.ts'
import {
  type DumpOptions,
  decodeFields,
  type FieldSpec,
  type RingStructure,
} from '../report/dump.ts'
import { inspect } from './inspect.ts'
import { DATA_SECTOR, MAGIC_SECTOR, makeLayout, PRODUCER_SECTOR, recordBytes } from './layout.ts'
import { HEADER_BYTES, MAGIC } from './magic.ts'
import {
  CONSUMER,
  FLAG_AT,
  OFFSET_AT,
  PRODUCER,
  parsePointer,
  TEXT_END,
  TEXT_START,
} from './pointer.ts'

/** The structure at an offset of a device; see `dumpAt`. */
export async function structureAt(
  device: BlockDevice,
  offset: number,
  _length: number,
  options: DumpOptions,
): Promise<RingStructure> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  makeLayout(sectorSize, sizeSectors, device.name)
  const sector = Math.floor(offset / sectorSize)
  return sector < DATA_SECTOR
    ? await control(device, sector, sectorSize)
    : await record(device, offset, options)
}

async function control(
  device: BlockDevice,
  sector: number,
  sectorSize: number,
): Promise<RingStructure> {
  const bytes = device.allocate(sectorSize)
  await device.read(sector, [bytes])
  const start = sector * sectorSize
  const range = { start, length: sectorSize }
  if (sector === MAGIC_SECTOR) {
    const fields = decodeFields(bytes, start, [['magic', 0, MAGIC.length, 'text']])
    return { structure: 'magic sector', ...range, fields }
  }
  const kind = sector === PRODUCER_SECTOR ? PRODUCER : CONSUMER
  const specs: readonly FieldSpec[] = [
    [kind.role, OFFSET_AT, 8, 'signed'],
    [kind.flag, FLAG_AT, 1],
    ['text', TEXT_START, TEXT_END - TEXT_START, 'text'],
  ]
  const fields = decodeFields(bytes, start, specs)
  const structure = `${kind.role} sector`
  const problem = problemOf(() => parsePointer(bytes, kind, device.name).confirmed === 'no')
  return { structure, ...range, ...(problem !== undefined && { problem }), fields }
}

function problemOf(contradicts: () => boolean): string | undefined {
  try {
    return contradicts() ? 'its text contradicts its fields' : undefined
  } catch (error) {
    if (isRingError(error)) return error.message
    throw error
  }
}

/** The record that contains a byte of the data area. */
async function record(
  device: BlockDevice,
  offset: number,
  { signal }: DumpOptions,
): Promise<RingStructure> {
  const free: RingStructure = { structure: 'free', start: offset, length: 1, fields: [] }
  try {
    const state = await inspect(device)
    const position = positionOf(state, offset)
    if (position >= state.producer.position) return free
    let index = 0
    for await (const { length, position: end } of state.records(signal)) {
      signal?.throwIfAborted()
      if (position < end) {
        const start = end - BigInt(recordBytes(length))
        return part(state, start, Number(position - start), length, index)
      }
      index++
    }
    return free
  } catch (error) {
    if (!isRingError(error)) throw error
    return { ...free, structure: 'data without a recognisable record', problem: error.message }
  }
}

/** The ring offset of a byte on the device, in the last lap that is not acknowledged. */
function positionOf(
  { consumer, capacityBytes, sectorSize }: RingInspection,
  offset: number,
): bigint {
  const size = BigInt(capacityBytes)
  const inArea = BigInt(offset - DATA_SECTOR * sectorSize)
  return consumer.position + ((inArea - (consumer.position % size) + size) % size)
}

/** The structure at an offset of a record. */
function part(
  state: RingInspection,
  position: bigint,
  at: number,
  itemBytes: number,
  index: number,
): RingStructure {
  const base = DATA_SECTOR * state.sectorSize
  const deviceOffset = (byte: number): number =>
    base + Number((position + BigInt(byte)) % BigInt(state.capacityBytes))
  const of = `of record ${index} at position ${position}`
  const end = HEADER_BYTES + itemBytes
  const length = {
    name: 'length',
    offset: deviceOffset(0),
    bytes: HEADER_BYTES,
    value: String(itemBytes),
  }
  const [structure, from, to] =
    at < HEADER_BYTES
      ? [`length ${of}`, 0, HEADER_BYTES]
      : at < end
        ? [`item ${of}`, HEADER_BYTES, end]
        : [`padding ${of}`, end, recordBytes(itemBytes)]
  return { structure, start: deviceOffset(from), length: to - from, fields: [length] }
}
