import { sectorBuffers } from '../../block/buffers.ts'
import { check, checkBytes, checkEqual } from '../assert.ts'
import { asBuffers, BIG_BYTES, get, pattern, put } from './bytes.ts'
import type { CaseContext, DeviceCase } from './case.ts'

async function eachSectorAtItsOffset(context: CaseContext): Promise<void> {
  const { info } = context
  const sectors = 64
  const bytes = pattern(info, sectors, 1)
  for (const [index, sector] of sectorBuffers(info.sectorSize, bytes).entries()) {
    await put(context, index, sector)
  }
  checkBytes(await get(context, 0, sectors), bytes, 'sectors written one by one')
  const replaced = pattern(info, 2, 2)
  await put(context, 31, replaced)
  bytes.set(replaced, 31 * info.sectorSize)
  checkBytes(await get(context, 0, sectors), bytes, 'sectors around a write of sectors 31 and 32')
  for (const [index, sector] of sectorBuffers(info.sectorSize, bytes).entries()) {
    checkBytes(await get(context, index, 1), sector, `sector ${index} read alone`)
  }
}

async function lastSector(context: CaseContext): Promise<void> {
  const { info } = context
  const bytes = pattern(info, 3, 3)
  await put(context, info.sizeSectors - 3, bytes)
  checkBytes(await get(context, info.sizeSectors - 3, 3), bytes, 'the last three sectors')
  const last = bytes.subarray(2 * info.sectorSize)
  checkBytes(await get(context, info.sizeSectors - 1, 1), last, 'the last sector')
  checkEqual((await context.device.getInfo()).sizeSectors, info.sizeSectors, 'size after a write')
}

async function emptyLists(context: CaseContext): Promise<void> {
  const { device, info } = context
  const bytes = pattern(info, 2, 4)
  await put(context, 0, bytes)
  for (const sectorStart of [0, 1, info.sizeSectors]) {
    await device.read(sectorStart, [])
    await device.write(sectorStart, [])
    await device.write(sectorStart, [], { durable: true })
  }
  checkBytes(await get(context, 0, 2), bytes, 'sectors 0 and 1 after empty writes')
}

async function emptyBuffers(context: CaseContext): Promise<void> {
  const { device, info } = context
  if (device.capabilities.singleSectorBuffers) return
  const bytes = pattern(info, 2, 5)
  const none = new Uint8Array(0)
  const [first = none, second = none] = sectorBuffers(info.sectorSize, bytes)
  await device.write(7, [none, first, none, none, second, none])
  await device.write(info.sizeSectors, [none, none])
  const found = pattern(info, 2, 6)
  const [firstFound = none, secondFound = none] = sectorBuffers(info.sectorSize, found)
  await device.read(7, [none, firstFound, none, secondFound, none])
  checkBytes(found, bytes, 'sectors 7 and 8, in a list with empty buffers')
}

async function manyBuffers(context: CaseContext): Promise<void> {
  const { device, info } = context
  // More than IOV_MAX (1024), which is as many as one system call takes.
  const sectors = Math.min(2048, info.sizeSectors - 1)
  const bytes = pattern(info, sectors, 7)
  await device.write(1, sectorBuffers(info.sectorSize, bytes))
  checkBytes(await get(context, 1, sectors), bytes, `${sectors} one-sector buffers written`)
  const found = new Uint8Array(bytes.length)
  await device.read(1, sectorBuffers(info.sectorSize, found))
  checkBytes(found, bytes, `${sectors} one-sector buffers read`)
}

async function differingBuffers(context: CaseContext): Promise<void> {
  const { device, info } = context
  if (device.capabilities.singleSectorBuffers) return
  const lengths = [1, 3, 2, 7, 1, 5]
  const split = (bytes: Uint8Array): Uint8Array[] => {
    let at = 0
    return lengths.map((sectors) => {
      const from = at
      at += sectors * info.sectorSize
      return bytes.subarray(from, at)
    })
  }
  const bytes = pattern(info, 19, 8)
  await device.write(10, split(bytes))
  checkBytes(await get(context, 10, 19), bytes, 'buffers of differing lengths written')
  const found = new Uint8Array(bytes.length)
  await device.read(10, split(found))
  checkBytes(found, bytes, 'buffers of differing lengths read')
}

async function bigTransfer(context: CaseContext): Promise<void> {
  const { info } = context
  const sectors = Math.min(info.sizeSectors, BIG_BYTES / info.sectorSize)
  const bytes = pattern(info, sectors, 9)
  await put(context, 0, bytes)
  checkBytes(await get(context, 0, sectors), bytes, `${bytes.length} bytes in one transfer`)
}

async function unalignedMemory(context: CaseContext): Promise<void> {
  const { device, info } = context
  const bytes = pattern(info, 3, 10)
  for (const offset of [1, 3, 511]) {
    const memory = new Uint8Array(bytes.length + 1024).fill(0x5a)
    const view = memory.subarray(offset, offset + bytes.length)
    view.set(bytes)
    await device.write(5, asBuffers(context, view))
    view.fill(0)
    await device.read(5, asBuffers(context, view))
    checkBytes(view, bytes, `memory at byte ${offset} of its ArrayBuffer`)
    const around = [...memory.subarray(0, offset), ...memory.subarray(offset + bytes.length)]
    check(
      around.every((byte) => byte === 0x5a),
      `bytes around the buffer at byte ${offset} have to stay as they are`,
    )
  }
}

async function allocatedMemory(context: CaseContext): Promise<void> {
  const { device, info } = context
  const [first, second] = [device.allocate(2 * info.sectorSize), device.allocate(info.sectorSize)]
  check(first instanceof Uint8Array, 'allocate has to answer a Uint8Array')
  checkEqual(first.length, 2 * info.sectorSize, 'allocated bytes')
  checkBytes(first, new Uint8Array(first.length), 'allocated memory')
  first.fill(1)
  checkBytes(second, new Uint8Array(second.length), 'memory allocated next to it')
  const bytes = pattern(info, 2, 11)
  first.set(bytes)
  await put(context, 4, first)
  checkBytes(await get(context, 4, 2), bytes, 'sectors written from allocated memory')
  await device.read(4, asBuffers(context, first.fill(0)))
  checkBytes(first, bytes, 'sectors read into allocated memory')
}

async function buffersAreTheCallers(context: CaseContext): Promise<void> {
  const { device, info } = context
  const bytes = pattern(info, 2, 12)
  const memory = bytes.slice()
  const list = Object.freeze(asBuffers(context, memory))
  await device.write(8, list)
  checkBytes(memory, bytes, 'the buffer after it was written')
  memory.fill(0xee)
  checkBytes(await get(context, 8, 2), bytes, 'sectors after the written buffer was changed')
  await device.read(8, list)
  memory.fill(0xdd)
  checkBytes(await get(context, 8, 2), bytes, 'sectors after the read buffer was changed')
  const held = await get(context, 8, 2)
  await put(context, 8, pattern(info, 2, 13))
  checkBytes(held, bytes, 'a read buffer after its sectors were written again')
}

async function manyInFlight(context: CaseContext): Promise<void> {
  const { info } = context
  const bytes = pattern(info, 64, 14)
  const sectors = sectorBuffers(info.sectorSize, bytes)
  await Promise.all(sectors.map((sector, index) => put(context, index, sector)))
  const reads = sectors.map((_, index) => get(context, index, Math.min(4, 64 - index)))
  for (const [index, found] of (await Promise.all(reads)).entries()) {
    const from = index * info.sectorSize
    const expected = bytes.subarray(from, from + found.length)
    checkBytes(found, expected, `overlapping read in flight at sector ${index}`)
  }
}

async function readAtOnce(context: CaseContext): Promise<void> {
  const { device, info } = context
  const bytes = pattern(info, 1, 15)
  await put(context, 9, pattern(info, 1, 16))
  const found = new Uint8Array(info.sectorSize)
  device.readNow?.(9, found)
  await put(context, 9, bytes)
  const isRead = device.readNow?.(9, found)
  if (isRead) checkBytes(found, bytes, 'a sector that readNow said it has read')
  for (const sector of [-1, 0.5, info.sizeSectors, Number.NaN]) {
    check(device.readNow?.(sector, found) !== true, `readNow must not read from sector ${sector}`)
  }
  await device.disconnect()
  check(device.readNow?.(9, found) !== true, 'readNow must not read after disconnect')
}

/** Bytes get where they belong, from and into any memory. */
export const transferCases: readonly DeviceCase[] = [
  { name: 'read answers what was written, each sector at its place', run: eachSectorAtItsOffset },
  { name: 'the last sector is written and read, and the size stays', run: lastSector },
  { name: 'an empty list of buffers transfers nothing, also at the end', run: emptyLists },
  { name: 'empty buffers in a list transfer nothing', run: emptyBuffers },
  { name: 'a list of more than 1024 buffers is transferred in full', run: manyBuffers },
  { name: 'buffers of differing lengths follow each other', run: differingBuffers },
  { name: 'a big transfer is done in full', run: bigTransfer },
  { name: 'memory may lie at any address, and only the buffer is touched', run: unalignedMemory },
  { name: 'allocate answers zeroed memory of its own', run: allocatedMemory },
  { name: 'a settled buffer and its list are the caller’s again', run: buffersAreTheCallers },
  { name: 'readNow answers what was written last, or false', run: readAtOnce },
  { name: 'requests in flight at the same time do not disturb each other', run: manyInFlight },
]
