/**
 * The suite that a back-end of your own has to pass.
 *
 * @module shared-block-ring/conformance
 */
import type { BlockDevice } from '../block/device.ts'
import { beneathCases } from './device/beneath.ts'
import type { CaseContext, DeviceCase, DeviceSource } from './device/case.ts'
import { roleCases } from './device/claims.ts'
import { lifecycleCases } from './device/lifecycle.ts'
import { misuseCases } from './device/misuse.ts'
import { Beneath } from './device/recorder.ts'
import { storageCases } from './device/storage.ts'
import { transferCases } from './device/transfer.ts'

export { ConformanceError } from './assert.ts'
export type { DeviceSource } from './device/case.ts'
export { type Gate, gatedDevice, type SentRequest } from './device/gated.ts'

/** The devices that {@link deviceConformance} uses, and the functions that register its cases. */
export interface DeviceConformanceOptions extends DeviceSource {
  /**
   * Registers a case: `test` of node:test or vitest. Their test context has a `skip`, which is called if the device
   * or the source lacks what the case needs; without one, such a case passes.
   */
  readonly test: (name: string, run: (context?: TestContext) => Promise<void>) => unknown
}

/** The context that a runner passes to a test. */
export interface TestContext {
  /** Shows the test as skipped. */
  skip?(reason?: string): void
}

/** A case of the suite, for runners that register tests in another way. */
export interface DeviceConformanceCase {
  /** The rule, in words; unique in the suite. */
  readonly name: string
  /** Rejects with a {@link ConformanceError} that says what was expected and found. */
  run(): Promise<DeviceConformanceResult>
}

/** The result of a case. */
export type DeviceConformanceResult =
  | { readonly status: 'passed' }
  | {
      /** The device, or the source, lacks what the case is about. */
      readonly status: 'skipped'
      /** Describes what is missing. */
      readonly reason: string
    }

const CASES: readonly DeviceCase[] = [
  ...transferCases,
  ...misuseCases,
  ...storageCases,
  ...roleCases,
  ...lifecycleCases,
  ...beneathCases,
]

/**
 * The conformance suite for implementations of {@link BlockDevice}: registers a test for every rule.
 *
 * ```ts
 * import { test } from 'node:test'
 * import { deviceConformance } from 'shared-block-ring/conformance'
 *
 * deviceConformance({ test, open: () => MyDevice.create({ sizeSectors: 2048 }) })
 * ```
 *
 * The rules, each a case or more:
 * - **transfer**: sectors are read from where they were written, first to last; lists of any length, also
 *   none, with empty buffers, more than 1024 buffers, buffers of differing lengths, megabytes at once;
 *   memory at any address; `allocate` answers zeroed memory; buffers are the caller's again once the
 *   promise settles; requests in flight at the same time do not mix.
 * - **misuse**: wrong sector numbers, requests beyond the end, parts of sectors, wrong types, and more
 *   than one sector in a buffer where that is refused, are a `TypeError` or `RangeError`, and neither the
 *   device nor the buffers are touched.
 * - **storage**: `getInfo` queries the device on each call; durable writes and `flush`; persistence
 *   (with `reopen`); visibility to other handles (with `openSecond`); `writeZeroes`; and `discard`, `resize` and
 *   `seek…` if the device is capable of them.
 * - **roles**: claims are exclusive, refusals name the holder, releases and disconnecting end them; `ask` is
 *   answered by the holder, or not at all within a second; `watch` calls back until closed.
 * - **lifecycle**: everything after `disconnect` answers `BLOCK_DISCONNECTED`; disconnecting waits for
 *   requests in flight, can be repeated, and is what `await using` does; a read-only device (with
 *   `openReadOnly`) answers `BLOCK_READ_ONLY` and changes nothing.
 * - **beneath** (with `openGated`): durable writes and flushes reach the storage beneath the device; its failures are
 *   reported; nothing is sent that a request's permit refuses, or after `disconnect` has resolved.
 *
 * Operations whose capability the device lacks must throw `BLOCK_UNSUPPORTED`; their cases are skipped, and so are
 * those that need a source's missing method. Whether a durable write survives a power cut is out of reach, and not
 * tested.
 */
export function deviceConformance(options: DeviceConformanceOptions): void {
  for (const { name, run } of deviceConformanceCases(options)) {
    options.test(name, async (context) => {
      const result = await run()
      if (result.status === 'skipped') context?.skip?.(result.reason)
    })
  }
}

/** The cases that {@link deviceConformance} registers. */
export function deviceConformanceCases(source: DeviceSource): DeviceConformanceCase[] {
  return CASES.map((each) => ({ name: each.name, run: () => runCase(each, source) }))
}

async function runCase(each: DeviceCase, source: DeviceSource): Promise<DeviceConformanceResult> {
  const { needs, capability } = each
  if (needs !== undefined && source[needs] === undefined) {
    return { status: 'skipped', reason: `the source has no ${needs}` }
  }
  const opened: BlockDevice[] = []
  const keep = async (opening: Promise<BlockDevice> | undefined): Promise<BlockDevice> => {
    if (opening === undefined) throw new TypeError('the source does not offer this device')
    const device = await opening
    opened.push(device)
    return device
  }
  try {
    const device = await keep(needs === 'openReadOnly' ? source.openReadOnly?.() : source.open())
    if (capability !== undefined && !device.capabilities[capability]) {
      return { status: 'skipped', reason: `the device is not capable of ${capability}` }
    }
    const context: CaseContext = {
      device,
      info: await device.getInfo(),
      reopen: () => keep(source.reopen?.(device)),
      openSecond: () => keep(source.openSecond?.(device)),
      openGated: async () => {
        const beneath = new Beneath()
        const gated = await keep(source.openGated?.(beneath.gate))
        return { device: gated, info: await gated.getInfo(), beneath }
      },
    }
    await each.run(context)
    return { status: 'passed' }
  } finally {
    for (const device of opened.reverse()) await device.disconnect()
  }
}
