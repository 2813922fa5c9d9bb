import { sectorBuffers } from '../../block/buffers.ts'
import { checkAnswers, checkBytes, checkEqual, checkRefused, pause, within } from '../assert.ts'
import { asBuffers, get, pattern, put } from './bytes.ts'
import type { CaseContext, DeviceCase } from './case.ts'

/** Disconnecting should take no longer, on a busy machine. */
const DISCONNECT_MS = 10_000

async function checkDisconnected({ device, info }: CaseContext): Promise<void> {
  const one = [new Uint8Array(info.sectorSize)]
  const requests: Record<string, () => unknown> = {
    getInfo: () => device.getInfo(),
    read: () => device.read(0, one),
    'an empty read': () => device.read(0, []),
    write: () => device.write(0, one),
    'a durable write': () => device.write(0, one, { durable: true }),
    'an empty write': () => device.write(0, []),
    flush: () => device.flush(),
    discard: () => device.discard(0, 1),
    writeZeroes: () => device.writeZeroes(0, 1),
    resize: () => device.resize(info.sizeSectors),
    seekMapped: () => device.seekMapped(0),
    seekUnmapped: () => device.seekUnmapped(0),
    claim: () => device.claim('producer', { holder: 'suite' }),
    ask: () => device.ask('producer', 'hello'),
    holderOf: () => device.holderOf('producer'),
    watch: () => device.watch(() => undefined),
  }
  for (const [what, request] of Object.entries(requests)) {
    await checkAnswers('BLOCK_DISCONNECTED', request, `${what} after disconnect`)
  }
}

async function disconnected(context: CaseContext): Promise<void> {
  const { device, info } = context
  await put(context, 0, pattern(info, 1, 50))
  checkEqual(await device.disconnect(), undefined, 'the answer of disconnect')
  await checkDisconnected(context)
  await within(DISCONNECT_MS, device.disconnect(), 'a second disconnect')
  await Promise.all([device.disconnect(), device.disconnect()])
  await checkDisconnected(context)
}

async function drains(context: CaseContext): Promise<void> {
  const { device, info } = context
  let unsettled = 0
  const track = async (request: Promise<void>): Promise<void> => {
    unsettled++
    await request.finally(() => {
      unsettled--
    })
  }
  const bytes = pattern(info, 64, 51)
  const found = new Uint8Array(64 * info.sectorSize)
  const requests = [
    ...sectorBuffers(info.sectorSize, bytes).map((sector, index) =>
      track(device.write(index, [sector])),
    ),
    track(device.read(0, asBuffers(context, found))),
    track(device.flush()),
  ]
  const settled = Promise.allSettled(requests)
  await within(DISCONNECT_MS, device.disconnect(), 'disconnect with requests in flight')
  await pause()
  checkEqual(unsettled, 0, 'requests that were still in flight after disconnect')
  for (const { status } of await settled) {
    checkEqual(status, 'fulfilled', 'a request that was in flight when disconnect was called')
  }
}

async function ends(context: CaseContext): Promise<void> {
  const { device } = context
  const { claim, watch } = device.capabilities
  const held = claim ? await device.claim('producer', { holder: 'suite' }) : undefined
  const watching = watch ? device.watch(() => undefined) : undefined
  await within(DISCONNECT_MS, device.disconnect(), 'disconnect with a claim and a watch')
  await held?.release()
  watching?.close()
}

async function disposes(context: CaseContext): Promise<void> {
  await within(DISCONNECT_MS, disposed(context), 'the end of an `await using`')
  await checkDisconnected(context)
}

async function disposed({ device, info }: CaseContext): Promise<void> {
  await using used = device
  await used.write(0, [new Uint8Array(info.sectorSize)])
}

async function readOnly(context: CaseContext): Promise<void> {
  const { device, info } = context
  const { discard, resize } = device.capabilities
  checkEqual(info.readWrite, false, 'readWrite of a read-only device')
  const before = await get(context, 0, 64)
  const bytes = pattern(info, 1, 52)
  const refused = (run: () => unknown, what: string): Promise<unknown> =>
    checkAnswers('BLOCK_READ_ONLY', run, `${what} on a read-only device`)
  await refused(() => device.write(0, [bytes]), 'write')
  await refused(() => device.write(0, [bytes], { durable: true }), 'a durable write')
  await refused(() => device.writeZeroes(0, 1), 'writeZeroes')
  if (discard) await refused(() => device.discard(0, 1), 'discard')
  if (resize) await refused(() => device.resize(info.sizeSectors + 1), 'resize')
  await checkRefused(() => device.write(info.sizeSectors, [bytes]), 'a write beyond the end')
  await device.flush()
  checkBytes(await get(context, 0, 64), before, 'a read-only device after refused writes')
}

/** Connected, read-only, disconnected. */
export const lifecycleCases: readonly DeviceCase[] = [
  { name: 'after disconnect everything answers BLOCK_DISCONNECTED', run: disconnected },
  { name: 'disconnect waits for the requests in flight', run: drains },
  { name: 'disconnect ends claims and watches', run: ends },
  { name: '`await using` disconnects', run: disposes },
  {
    name: 'a read-only device refuses to write with BLOCK_READ_ONLY',
    needs: 'openReadOnly',
    run: readOnly,
  },
]
