import { checkBytes, checkRefused } from '../assert.ts'
import { asBuffers, call, get, type Method, pattern, put } from './bytes.ts'
import type { CaseContext, DeviceCase } from './case.ts'

const NOT_SECTORS: readonly unknown[] = [
  Number.NaN,
  -1,
  0.5,
  2 ** 53,
  -(2 ** 53),
  Number.POSITIVE_INFINITY,
  '0',
  0n,
  null,
  undefined,
  {},
]

/** Runs a call that has to be refused, and checks that the device is unchanged and still works. */
async function untouched(context: CaseContext, misuse: () => Promise<void>): Promise<void> {
  const { info } = context
  const bytes = pattern(info, 4, 20)
  const end = info.sizeSectors - 4
  await put(context, 0, bytes)
  await put(context, end, bytes)
  await misuse()
  checkBytes(await get(context, 0, 4), bytes, 'the first sectors after refused requests')
  checkBytes(await get(context, end, 4), bytes, 'the last sectors after refused requests')
}

async function sectorNumbers(context: CaseContext): Promise<void> {
  const { device, info } = context
  const { discard, resize, seek } = device.capabilities
  await untouched(context, async () => {
    for (const bad of NOT_SECTORS) {
      const buffers = asBuffers(context, new Uint8Array(info.sectorSize))
      const refused = (method: Method, ...args: unknown[]): Promise<void> =>
        checkRefused(() => call(device, method, ...args), `${method} of ${String(bad)}`)
      await refused('read', bad, buffers)
      await refused('read', bad, [])
      await refused('write', bad, buffers)
      await refused('write', bad, [])
      await refused('writeZeroes', bad, 1)
      await refused('writeZeroes', 0, bad)
      if (discard) await refused('discard', bad, 1)
      if (discard) await refused('discard', 0, bad)
      if (resize) await refused('resize', bad)
      if (seek) await refused('seekMapped', bad)
      if (seek) await refused('seekUnmapped', bad)
    }
  })
}

async function beyondTheEnd(context: CaseContext): Promise<void> {
  const { device, info } = context
  const { discard, seek } = device.capabilities
  const size = info.sizeSectors
  await untouched(context, async () => {
    for (const [sectorStart, sectors] of [
      [size, 1],
      [size - 1, 2],
      [size - 3, 4],
      [size + 1, 0],
      [Number.MAX_SAFE_INTEGER, 1],
    ] as const) {
      const buffers = asBuffers(context, new Uint8Array(sectors * info.sectorSize))
      const what = `${sectors} sectors at ${sectorStart} of ${size}`
      await checkRefused(() => device.read(sectorStart, buffers), `a read of ${what}`)
      await checkRefused(() => device.write(sectorStart, buffers), `a write of ${what}`)
      await checkRefused(() => device.writeZeroes(sectorStart, sectors), `zeroes on ${what}`)
      if (discard) await checkRefused(() => device.discard(sectorStart, sectors), `discard ${what}`)
    }
    if (seek) await checkRefused(() => device.seekMapped(size + 1), 'a seek beyond the end')
    if (seek) await checkRefused(() => device.seekUnmapped(size + 1), 'a seek beyond the end')
  })
}

async function wholeSectors(context: CaseContext): Promise<void> {
  const { device, info } = context
  const { sectorSize } = info
  const lists = [[1], [sectorSize - 1], [sectorSize + 1], [sectorSize / 2, sectorSize / 2]]
  if (device.capabilities.singleSectorBuffers) lists.push([2 * sectorSize], [0])
  await untouched(context, async () => {
    for (const lengths of [...lists, ...lists.map((list) => [sectorSize, ...list])]) {
      const buffers = lengths.map((length) => new Uint8Array(length))
      const what = `buffers of ${lengths.join(' and ')} bytes`
      await checkRefused(() => device.read(0, buffers), `a read into ${what}`)
      await checkRefused(() => device.write(0, buffers), `a write of ${what}`)
    }
  })
}

async function bufferTypes(context: CaseContext): Promise<void> {
  const { device, info } = context
  const { sectorSize } = info
  const good = new Uint8Array(sectorSize)
  const notBuffers: readonly unknown[] = [
    new Uint16Array(sectorSize / 2),
    new DataView(new ArrayBuffer(sectorSize)),
    new ArrayBuffer(sectorSize),
    Array.from(good),
    'x'.repeat(sectorSize),
    { byteLength: sectorSize, length: sectorSize },
    null,
    undefined,
  ]
  const notLists: readonly unknown[] = [good, undefined, null, 'x', { length: 0 }, new Set([good])]
  await untouched(context, async () => {
    for (const bad of [...notLists, ...notBuffers.map((each) => [good, each])]) {
      await checkRefused(() => call(device, 'read', 0, bad), 'a read into what are no buffers')
      await checkRefused(() => call(device, 'write', 0, bad), 'a write of what are no buffers')
    }
  })
}

async function untouchedBuffers(context: CaseContext): Promise<void> {
  const { device, info } = context
  const memory = pattern(info, 2, 21)
  const before = memory.slice()
  const buffers = asBuffers(context, memory)
  await checkRefused(() => device.read(info.sizeSectors - 1, buffers), 'a read beyond the end')
  await checkRefused(
    () => device.read(0, [memory.subarray(0, info.sectorSize), new Uint8Array(1)]),
    'a read into a part of a sector',
  )
  checkBytes(memory, before, 'the buffers of refused reads')
}

/** Misuse is a `TypeError` or `RangeError` before any I/O. */
export const misuseCases: readonly DeviceCase[] = [
  { name: 'what is no sector number is refused before any I/O', run: sectorNumbers },
  { name: 'a request beyond the end is refused before any I/O', run: beyondTheEnd },
  { name: 'buffers that are no whole sectors are refused before any I/O', run: wholeSectors },
  { name: 'what are no buffers is refused before any I/O', run: bufferTypes },
  { name: 'a refused read leaves the buffers as they were', run: untouchedBuffers },
]
