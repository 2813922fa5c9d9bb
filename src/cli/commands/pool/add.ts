import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { grouped, safeJson, safeText } from '../../../text/render.ts'
import { openPoolOf, type PoolFlags } from '../../device/pool.ts'
import { usageError } from '../../errors.ts'
import { namedDevice } from '../../flags/flags.ts'
import { poolFlags, ringName } from '../../flags/pool-flags.ts'
import { type RingFlags, ringFlags, ringOptions } from '../../flags/ring-flags.ts'
import { parseSize } from '../../flags/size.ts'
import { standardOutput } from '../../output/output.ts'
import { stopSignals } from '../../signals.ts'

interface Flags extends PoolFlags, Omit<RingFlags, 'name'> {
  readonly size: number
}

const fullDescription = `Makes a ring in a pool, ready for \`sbr produce DEVICE#NAME\` and \`sbr consume DEVICE#NAME\`. It takes a multiple of
64 KiB. If this is killed, the ring is complete or it is not there: run it again.
It waits up to ten seconds for another command that changes the pool.

With --json: one object with "device", the ring's "name", its "sizeBytes" and its "offset" on the device in bytes.

EXAMPLES
  sbr pool add pool.img orders --size 64MiB
  sbr pool add /dev/vg0/queues telemetry --size 16MiB --on-full overwrite`

const { name: _, ...newRing } = ringFlags

export const add: Command<CommandContext> = buildCommand({
  docs: { brief: 'Make a ring in a pool', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [namedDevice, ringName] },
    flags: {
      size: {
        kind: 'parsed',
        brief: 'Bytes of the ring: 65536, 64MiB, 1GiB, 1GB is 10^9',
        placeholder: 'SIZE',
        parse: parseSize,
      },
      ...newRing,
      ...poolFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, path: string, name: string): Promise<void> {
  using stop = stopSignals()
  const options = ringOptions(flags)
  await using opened = await openPoolOf(path, 'read-write', flags, stop.signal)
  const ring = await opened.pool
    .add(name, { ...options, sizeBytes: flags.size })
    .catch((error: unknown) => {
      throw error instanceof RangeError ? usageError(error.message) : error
    })
  const { sizeBytes } = ring
  const line =
    flags.json === true
      ? safeJson({ device: path, ...ring })
      : `${safeText(`${path}#${name}`)}: made a ring of format ${options.format}, of ${grouped(sizeBytes)} bytes`
  await standardOutput(stop.signal).write(`${line}\n`)
}
