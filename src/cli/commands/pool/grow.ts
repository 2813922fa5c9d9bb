import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { grouped, safeJson, safeText } from '../../../text/render.ts'
import { openPoolOf, type PoolFlags } from '../../device/pool.ts'
import { device } from '../../flags/flags.ts'
import { poolFlags } from '../../flags/pool-flags.ts'
import { standardOutput } from '../../output/output.ts'
import { stopSignals } from '../../signals.ts'

const fullDescription = `Makes room for rings of what a device has grown by: enlarge the file, volume or export first. Rings keep their size.

With --json: one object with "device", "beforeBytes" and "sizeBytes": the bytes of the pool before and now.

EXAMPLES
  sbr pool grow /dev/vg0/queues`

export const grow: Command<CommandContext> = buildCommand({
  docs: { brief: 'Use what the device of a pool has grown by', fullDescription },
  parameters: { positional: { kind: 'tuple', parameters: [device] }, flags: poolFlags },
  func: run,
})

async function run(flags: PoolFlags, path: string): Promise<void> {
  using stop = stopSignals()
  await using opened = await openPoolOf(path, 'read-write', flags, stop.signal)
  const { beforeBytes, sizeBytes } = await opened.pool.grow()
  const text =
    sizeBytes === beforeBytes
      ? `the device has not grown; the pool has ${grouped(sizeBytes)} bytes`
      : `the pool has ${grouped(sizeBytes)} bytes, ${grouped(sizeBytes - beforeBytes)} more than before`
  const json = safeJson({ device: path, beforeBytes, sizeBytes })
  const line = flags.json === true ? json : `${safeText(path)}: ${text}`
  await standardOutput(stop.signal).write(`${line}\n`)
}
