import type { RequestOptions } from '../../block/device.ts'
import { BlockError, isBlockError } from '../../errors.ts'
import { check, checkBytes, checkEqual, failureOf, pause, within } from '../assert.ts'
import { asBuffers, BIG_BYTES, get, pattern, put } from './bytes.ts'
import type { CaseContext, DeviceCase } from './case.ts'
import type { Beneath, GatedContext } from './recorder.ts'

/** Time limit for disconnecting a device, on a busy machine. */
const DISCONNECT_MS = 30_000

/** A call that sends something. */
interface Call {
  readonly what: string
  run(options?: RequestOptions): Promise<void>
}

/** Calls of each kind, so large that any device that cuts calls into pieces cuts these. */
function calls({ device, info }: GatedContext): readonly Call[] {
  const sectors = Math.min(info.sizeSectors - 1, BIG_BYTES / info.sectorSize)
  const buffers = asBuffers({ device, info }, pattern(info, sectors, 60))
  const found = asBuffers({ device, info }, new Uint8Array(sectors * info.sectorSize))
  const durable = true
  const all: readonly Call[] = [
    { what: 'write', run: (options) => device.write(1, buffers, options) },
    { what: 'durable write', run: (options) => device.write(1, buffers, { ...options, durable }) },
    { what: 'read', run: (options) => device.read(1, found, options) },
    { what: 'flush', run: (options) => device.flush(options) },
    { what: 'writeZeroes', run: (options) => device.writeZeroes(1, sectors, options) },
    {
      what: 'durable writeZeroes',
      run: (options) => device.writeZeroes(1, sectors, { ...options, durable }),
    },
    { what: 'discard', run: (options) => device.discard(1, sectors, options) },
  ]
  return all.filter(({ what }) => what !== 'discard' || device.capabilities.discard)
}

const CHANGES: readonly string[] = ['write', 'writeZeroes', 'discard']

/** Checks that what was sent since a moment is on stable storage. */
function checkDurable(beneath: Beneath, since: number, what: string): void {
  const sent = beneath.since(since)
  const changes = sent.filter(({ operation }) => CHANGES.includes(operation))
  check(changes.length > 0, `${what} has to send something`)
  const volatile = changes.filter(({ durable }) => !durable)
  const last = Math.max(...volatile.map(({ done }) => done))
  const isCovered = sent.some(
    ({ operation, begun, done }) => operation === 'flush' && begun > last && Number.isFinite(done),
  )
  check(
    volatile.length === 0 || isCovered,
    `${what} sent ${volatile.length} changes that are not durable, and no flush when they were done`,
  )
}

async function durableChanges(context: CaseContext): Promise<void> {
  const gated = await context.openGated()
  const { device, info, beneath } = gated
  for (const sectors of [1, Math.min(info.sizeSectors - 1, BIG_BYTES / info.sectorSize)]) {
    const bytes = pattern(info, sectors, 61)
    const beforeWrite = beneath.now()
    await device.write(1, asBuffers(gated, bytes), { durable: true })
    checkDurable(beneath, beforeWrite, `a durable write of ${sectors} sectors`)
    checkBytes(await get(gated, 1, sectors), bytes, 'sectors written durably')
    const beforeZeroes = beneath.now()
    await device.writeZeroes(1, sectors, { durable: true })
    checkDurable(beneath, beforeZeroes, `durable zeroes on ${sectors} sectors`)
    checkBytes(await get(gated, 1, sectors), bytes.fill(0), 'sectors zeroed durably')
  }
}

async function flushes(context: CaseContext): Promise<void> {
  const gated = await context.openGated()
  const { device, info, beneath } = gated
  const isFlushed = (since: number): boolean =>
    beneath
      .since(since)
      .some(({ operation, done }) => operation === 'flush' && Number.isFinite(done))
  await put(gated, 0, pattern(info, 1, 62))
  const written = beneath.now()
  await device.flush()
  check(isFlushed(written), 'a flush must be sent, and done, before flush resolves')

  // A flush in flight does not cover later writes.
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let isWritten = false
  beneath.rule = async ({ operation }) => {
    if (operation === 'flush') await held
  }
  const first = device.flush()
  const write = put(gated, 0, pattern(info, 1, 63)).then(() => {
    isWritten = true
  })
  // A device may make writes wait for flushes: then there is nothing to check.
  for (let turns = 0; !isWritten && turns < 100; turns++) await pause(1)
  const writtenMeanwhile = isWritten
  const asked = beneath.now()
  const second = device.flush()
  release()
  await Promise.all([first, write, second])
  check(
    !writtenMeanwhile || isFlushed(asked),
    'flush has to send another one if the one under way was sent before the last write was done',
  )
}

async function failures(context: CaseContext): Promise<void> {
  const sound = await context.openGated()
  for (const [index, { what, run }] of calls(sound).entries()) {
    const before = sound.beneath.sent.length
    await run()
    const requests = sound.beneath.sent.length - before
    for (const failing of new Set(requests === 0 ? [] : [1, requests])) {
      // A device on which a request failed may fail all later ones.
      const fresh = await context.openGated()
      const { sent } = fresh.beneath
      fresh.beneath.rule = async () => {
        if (sent.length >= failing) throw failure()
      }
      const failed = `a ${what} whose request ${failing} of ${requests} fails`
      const error = await failureOf(() => calls(fresh)[index]?.run(), failed)
      check(isBlockError(error), `${failed}: expected a BlockError, found ${String(error)}`)
      check(
        sent.every(({ done }) => Number.isFinite(done)),
        `${failed} may not be over while another request of it is under way`,
      )
      const { length } = sent
      await pause(1)
      checkEqual(sent.length, length, `requests sent when ${failed} was over`)
    }
  }
}

function failure(): BlockError {
  return new BlockError('BLOCK_IO', 'fails, as the suite told it to', { device: 'beneath' })
}

async function permits(context: CaseContext): Promise<void> {
  const gated = await context.openGated()
  const { sent } = gated.beneath
  for (const { what, run } of calls(gated)) {
    for (const granted of [0, 1, 2, 5]) {
      const over = new Error('the suite grants no more')
      const before = sent.length
      let asked = 0
      const permit = (): void => {
        if (asked++ >= granted) throw over
      }
      let found: unknown
      await run({ permit }).catch((error: unknown) => {
        found = error
      })
      await pause(1)
      const limited = `a ${what} whose permit grants ${granted} times`
      check(sent.length - before <= granted, `${limited} sent ${sent.length - before} requests`)
      checkEqual(found, asked > granted ? over : undefined, `the failure of ${limited}`)
    }
    await run()
  }
}

async function nothingAfterDisconnect(context: CaseContext): Promise<void> {
  for (const fails of [false, true]) {
    const gated = await context.openGated()
    const { device, beneath } = gated
    beneath.rule = async () => {
      const isFirst = beneath.sent.length === 1
      await pause(1)
      if (fails && isFirst) throw failure()
    }
    const settled = Promise.allSettled(calls(gated).map((call) => call.run()))
    await within(DISCONNECT_MS, device.disconnect(), 'disconnect with large requests in flight')
    const sent = beneath.sent.length
    check(
      beneath.sent.every(({ done }) => Number.isFinite(done)),
      'a request that was sent must be done when disconnect has resolved',
    )
    await pause(20)
    checkEqual(beneath.sent.length, sent, 'requests sent when disconnect had resolved')
    await within(DISCONNECT_MS, settled, 'the end of the requests that were in flight')
  }
}

/** Checks of the requests that reach the storage beneath the device. */
export const beneathCases: readonly DeviceCase[] = [
  {
    name: 'durable writes and durable zeroes are durable beneath',
    needs: 'openGated',
    run: durableChanges,
  },
  {
    name: 'flush reaches what is beneath, after all that was written before it',
    needs: 'openGated',
    run: flushes,
  },
  {
    name: 'what fails beneath is told, and nothing more of it is sent',
    needs: 'openGated',
    run: failures,
  },
  { name: 'nothing is sent that its permit refuses', needs: 'openGated', run: permits },
  {
    name: 'when disconnect has resolved, nothing more is sent',
    needs: 'openGated',
    run: nothingAfterDisconnect,
  },
]
