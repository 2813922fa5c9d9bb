import { check, checkAnswers, checkBytes, checkEqual } from '../assert.ts'
import { asBuffers, BIG_BYTES, get, pattern, put } from './bytes.ts'
import type { CaseContext, DeviceCase } from './case.ts'

async function information(context: CaseContext): Promise<void> {
  const { device, info } = context
  check(typeof device.name === 'string' && device.name !== '', 'a device has to have a name')
  checkEqual(info.readWrite, true, 'readWrite of a writable device')
  check(
    Number.isSafeInteger(info.sectorSize) && info.sectorSize > 0,
    `sectorSize must be a positive integer, but is ${info.sectorSize}`,
  )
  check(
    Number.isSafeInteger(info.sizeSectors) && info.sizeSectors >= 64,
    `sizeSectors must be a safe integer of at least 64, but is ${info.sizeSectors}`,
  )
  const before = { ...device.capabilities }
  for (const [name, value] of Object.entries(before)) {
    check(typeof value === 'boolean', `capability ${name} must be a boolean`)
  }
  await put(context, 0, pattern(info, 1, 30))
  checkEqual(JSON.stringify(device.capabilities), JSON.stringify(before), 'capabilities')
  checkEqual(JSON.stringify(await device.getInfo()), JSON.stringify(info), 'info asked again')
}

async function durableWrites(context: CaseContext): Promise<void> {
  const { device, info } = context
  const bytes = pattern(info, 5, 31)
  await device.write(3, asBuffers(context, bytes), { durable: true })
  checkBytes(await get(context, 3, 5), bytes, 'sectors written durably')
  await device.write(3, asBuffers(context, bytes.reverse()), { durable: false })
  checkBytes(await get(context, 3, 5), bytes, 'sectors written without durable')
}

async function flushes(context: CaseContext): Promise<void> {
  const { device, info } = context
  await device.flush()
  const bytes = pattern(info, 5, 32)
  await Promise.all([put(context, 3, bytes), device.flush(), device.flush()])
  await device.flush()
  checkBytes(await get(context, 3, 5), bytes, 'sectors after a flush')
}

async function persistence(context: CaseContext): Promise<void> {
  const { device, info } = context
  const bytes = pattern(info, 6, 33)
  const half = bytes.length / 2
  await device.write(0, asBuffers(context, bytes.subarray(0, half)))
  await device.flush()
  const rest = asBuffers(context, bytes.subarray(half))
  await device.write(3, rest, { durable: true })
  await device.disconnect()
  const again = { info, device: await context.reopen() }
  checkBytes(await get(again, 0, 6), bytes, 'flushed and durable sectors after a disconnect')
}

async function seenByOthers(context: CaseContext): Promise<void> {
  const { info } = context
  const second = { info, device: await context.openSecond() }
  const bytes = pattern(info, 2, 34)
  await put(context, 9, bytes)
  checkBytes(await get(second, 9, 2), bytes, 'sectors that another handle wrote')
  await second.device.flush()
  await second.device.disconnect()
  checkBytes(await get(context, 9, 2), bytes, 'sectors after another handle was disconnected')
}

async function zeroes(context: CaseContext): Promise<void> {
  const { device, info } = context
  const sectors = Math.min(info.sizeSectors, BIG_BYTES / info.sectorSize)
  const bytes = pattern(info, sectors, 35)
  for (const [sectorStart, length] of [
    [5, 0],
    [info.sizeSectors, 0],
    [1, 1],
    [13, 37],
    [60, sectors - 61],
  ] as const) {
    await put(context, 0, bytes)
    await device.writeZeroes(sectorStart, length, { durable: length === 37 })
    const expected = bytes.slice()
    const end = sectorStart + length
    expected.fill(0, sectorStart * info.sectorSize, end * info.sectorSize)
    const what = `sectors around zeroes on ${sectorStart} to ${end}`
    checkBytes(await get(context, 0, sectors), expected, what)
  }
}

async function discards(context: CaseContext): Promise<void> {
  const { device, info } = context
  const { sectorSize, sizeSectors } = info
  const bytes = pattern(info, 64, 36)
  await put(context, 0, bytes)
  await device.discard(10, 30)
  await device.discard(12, 0)
  await device.discard(sizeSectors, 0)
  checkEqual((await device.getInfo()).sizeSectors, sizeSectors, 'size after a discard')
  const before = bytes.subarray(0, 10 * sectorSize)
  checkBytes(await get(context, 0, 10), before, 'sectors before discarded ones')
  checkBytes(await get(context, 40, 24), bytes.subarray(40 * sectorSize), 'sectors after them')
  await get(context, 10, 30)
  const anew = pattern(info, 30, 37)
  await put(context, 10, anew)
  checkBytes(await get(context, 10, 30), anew, 'discarded sectors, written again')
  await device.discard(sizeSectors - 2, 2)
  checkEqual((await device.getInfo()).sizeSectors, sizeSectors, 'size after a discard at the end')
}

async function grows(context: CaseContext): Promise<void> {
  const { device, info } = context
  const size = info.sizeSectors
  const last = pattern(info, 2, 38)
  await put(context, size - 2, last)
  await device.resize(size + 9)
  checkEqual((await device.getInfo()).sizeSectors, size + 9, 'size after growing by 9')
  checkBytes(await get(context, size - 2, 2), last, 'sectors before the new ones')
  const blank = new Uint8Array(9 * info.sectorSize)
  checkBytes(await get(context, size, 9), blank, 'new sectors')
  await put(context, size + 7, last)
  checkBytes(await get(context, size + 7, 2), last, 'the last new sectors')
}

async function shrinks(context: CaseContext): Promise<void> {
  const { device, info } = context
  const size = info.sizeSectors
  const bytes = pattern(info, 8, 39)
  await put(context, size - 8, bytes)
  await device.resize(size)
  await device.resize(size - 5)
  checkEqual((await device.getInfo()).sizeSectors, size - 5, 'size after shrinking by 5')
  const kept = bytes.subarray(0, 3 * info.sectorSize)
  checkBytes(await get(context, size - 8, 3), kept, 'the last sectors that were kept')
  let refused = false
  await get(context, size - 5, 1).catch(() => {
    refused = true
  })
  check(refused, 'a read of a sector that is gone has to fail')
  await device.resize(size)
  const blank = new Uint8Array(5 * info.sectorSize)
  checkBytes(await get(context, size - 5, 5), blank, 'sectors that were gone and came back')
}

async function seeks(context: CaseContext): Promise<void> {
  const { device, info } = context
  const size = info.sizeSectors
  checkEqual(await device.seekMapped(size), size, 'seekMapped at the end')
  checkEqual(await device.seekUnmapped(size), size, 'seekUnmapped at the end')
  if (device.capabilities.discard) await device.discard(0, size)
  const written = [0, 33, size - 1]
  for (const sector of written) await put(context, sector, pattern(info, 1, 40))
  for (const sector of written) {
    checkEqual(await device.seekMapped(sector), sector, `seekMapped at ${sector}, which has data`)
    const hole = await device.seekUnmapped(sector)
    check(hole > sector && hole <= size, `seekUnmapped at ${sector}, which has data, said ${hole}`)
  }
  for (let at = 0, steps = 0; at < size && steps < 64; steps++) {
    const mapped = await device.seekMapped(at)
    check(mapped >= at && mapped <= size, `seekMapped at ${at} said ${mapped}`)
    if (mapped > at) checkEqual(await device.seekUnmapped(at), at, `seekUnmapped in a hole`)
    const sectors = Math.min(mapped - at, 2048)
    const blank = new Uint8Array(sectors * info.sectorSize)
    checkBytes(await get(context, at, sectors), blank, `the hole from sector ${at} on`)
    at = await device.seekUnmapped(mapped)
    check(at > mapped || at === size, `seekUnmapped at ${mapped}, which is mapped, said ${at}`)
  }
}

async function unsupported(context: CaseContext): Promise<void> {
  const { device } = context
  const { discard, resize, seek, claim, watch } = device.capabilities
  const answers = (run: () => unknown, what: string): Promise<unknown> =>
    checkAnswers('BLOCK_UNSUPPORTED', run, `${what} without the capability`)
  if (!discard) await answers(() => device.discard(0, 1), 'discard')
  if (!discard) await answers(() => device.discard(0, 0), 'discard of nothing')
  if (!resize) await answers(() => device.resize(context.info.sizeSectors), 'resize')
  if (!seek) await answers(() => device.seekMapped(0), 'seekMapped')
  if (!seek) await answers(() => device.seekUnmapped(0), 'seekUnmapped')
  if (!claim) await answers(() => device.claim('producer', { holder: 'suite' }), 'claim')
  if (!claim) await answers(() => device.ask('producer', 'hello'), 'ask')
  if (!claim) await answers(() => device.holderOf('producer'), 'holderOf')
  if (!watch) await answers(() => device.watch(() => undefined), 'watch')
}

/** Durability of data, and the effect of the optional operations. */
export const storageCases: readonly DeviceCase[] = [
  { name: 'getInfo and capabilities say what the device is', run: information },
  { name: 'an operation without its capability answers BLOCK_UNSUPPORTED', run: unsupported },
  { name: 'a durable write can be read', run: durableWrites },
  { name: 'flush changes nothing that can be read', run: flushes },
  {
    name: 'flushed and durable sectors outlive the handle',
    needs: 'reopen',
    run: persistence,
  },
  { name: 'a second handle sees what was written', needs: 'openSecond', run: seenByOthers },
  { name: 'writeZeroes zeroes its sectors and no others', run: zeroes },
  { name: 'discard keeps the size and the sectors around', capability: 'discard', run: discards },
  { name: 'resize grows, and getInfo queries the device again', capability: 'resize', run: grows },
  { name: 'resize shrinks, and sectors come back as zeroes', capability: 'resize', run: shrinks },
  { name: 'seekMapped and seekUnmapped agree with the data', capability: 'seek', run: seeks },
]
