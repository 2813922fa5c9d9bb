import type { BlockDevice } from '../block/device.ts'
import type { CaseContext, DeviceCase, DeviceSource } from './device/case.ts'
import { lifecycleCases } from './device/lifecycle.ts'
import { misuseCases } from './device/misuse.ts'
import { roleCases } from './device/roles.ts'
import { storageCases } from './device/storage.ts'
import { transferCases } from './device/transfer.ts'

export { ConformanceError } from './assert.ts'
export type { DeviceSource } from './device/case.ts'

/** What {@link deviceConformance} runs on, and how it registers its cases. */
export interface DeviceConformanceOptions extends DeviceSource {
  /** Registers a case: `test` of node:test, `it` of vitest or mocha. */
  readonly test: (name: string, run: () => Promise<void>) => unknown
}

/** A case of the suite, for runners that register tests in another way. */
export interface DeviceConformanceCase {
  /** The rule, in words; unique in the suite. */
  readonly name: string
  /** Rejects with a {@link ConformanceError} that says what was expected and found. */
  run(): Promise<void>
}

const CASES: readonly DeviceCase[] = [
  ...transferCases,
  ...misuseCases,
  ...storageCases,
  ...roleCases,
  ...lifecycleCases,
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
 * - **storage**: what `getInfo` answers, anew on each call; durable writes and `flush`; persistence
 *   (with `reopen`); what other handles see (with `openSecond`); `writeZeroes`; and `discard`, `resize` and
 *   `seek…` if the device is capable of them.
 * - **roles**: claims are exclusive, refusals name the holder, releases and disconnecting end them; `ask` is
 *   answered by the holder, or not at all within a second; `watch` calls back until closed.
 * - **lifecycle**: everything after `disconnect` answers `BLOCK_DISCONNECTED`; disconnecting waits for
 *   requests in flight, can be repeated, and is what `await using` does; a read-only device (with
 *   `openReadOnly`) answers `BLOCK_READ_ONLY` and changes nothing.
 *
 * What `device.capabilities` lacks has to answer `BLOCK_UNSUPPORTED`. That a durable write survives a power
 * failure cannot be seen from here, and is not tested.
 */
export function deviceConformance(options: DeviceConformanceOptions): void {
  for (const { name, run } of deviceConformanceCases(options)) options.test(name, run)
}

/** The cases that {@link deviceConformance} registers. */
export function deviceConformanceCases(source: DeviceSource): DeviceConformanceCase[] {
  return CASES.filter(({ needs }) => needs === undefined || source[needs] !== undefined).map(
    (each) => ({ name: each.name, run: () => runCase(each, source) }),
  )
}

async function runCase(each: DeviceCase, source: DeviceSource): Promise<void> {
  const opened: BlockDevice[] = []
  const keep = async (opening: Promise<BlockDevice> | undefined): Promise<BlockDevice> => {
    if (opening === undefined) throw new TypeError('the source does not offer this device')
    const device = await opening
    opened.push(device)
    return device
  }
  try {
    const readOnly = each.needs === 'openReadOnly'
    const device = await keep(readOnly ? source.openReadOnly?.() : source.open())
    if (each.capability !== undefined && !device.capabilities[each.capability]) return
    const context: CaseContext = {
      device,
      info: await device.getInfo(),
      reopen: () => keep(source.reopen?.(device)),
      openSecond: () => keep(source.openSecond?.(device)),
    }
    await each.run(context)
  } finally {
    for (const device of opened.reverse()) await device.disconnect()
  }
}
