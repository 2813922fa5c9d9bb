import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { Pool } from '../../../pool/index.ts'
import { MIN_POOL_BYTES } from '../../../pool/sizes.ts'
import { grouped, safeJson, safeText } from '../../../text/render.ts'
import { type MakeFlags, modeFlag, openOrCreate } from '../../device/create-target.ts'
import { takeRoles } from '../../device/take-roles.ts'
import { usageError } from '../../errors.ts'
import { commonFlags, device } from '../../flags/flags.ts'
import { parseSize } from '../../flags/size.ts'
import { standardOutput } from '../../output/output.ts'
import { stopSignals } from '../../signals.ts'

interface Flags extends MakeFlags {
  readonly force?: boolean
}

const fullDescription = `Makes an empty pool on a file or a raw device. A missing file is made first, of --size, and written in full; any other
file, and a raw device, keeps its size. The directory takes 2 MiB of it.

An existing pool is never changed. Content other than zeroes is refused without --force, also a ring, which is
destroyed then. Even with --force, a device is refused while a producer or consumer uses it, or a file system on it
is mounted.

With --json: one object with "device", "created", "sizeBytes" and "freeBytes".

EXAMPLES
  sbr pool create pool.img --size 1GiB
  sbr pool create /dev/vg0/queues`

export const create: Command<CommandContext> = buildCommand({
  docs: { brief: 'Make an empty pool on a file or a raw device', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      size: {
        kind: 'parsed',
        brief: 'Bytes of the file to make: 64MiB, 1GiB, 1GB is 10^9 (default: 64MiB)',
        placeholder: 'SIZE',
        optional: true,
        parse: parseSize,
      },
      mode: modeFlag,
      force: {
        kind: 'boolean',
        brief: 'Overwrite content that is not a pool, also a ring',
        optional: true,
        withNegated: false,
      },
      ...commonFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  const { size = MIN_POOL_BYTES } = flags
  if (size < MIN_POOL_BYTES) {
    throw usageError(`--size: expected at least ${MIN_POOL_BYTES} bytes, found ${size} bytes`)
  }
  await using opened = await openOrCreate(path, flags, {}, stop.signal)
  // No program uses the overwritten content, here or on another host.
  await (await takeRoles(opened, 'sbr pool create'))[Symbol.asyncDispose]()
  const { created } = await Pool.create(opened, { eraseOther: flags.force === true })
  const { sizeBytes, freeBytes } = await (await Pool.open(opened)).status()
  const text = created
    ? `made a pool, with room for ${grouped(freeBytes)} bytes of rings`
    : 'already has a pool, which was not changed'
  const json = safeJson({ device: path, created, sizeBytes, freeBytes })
  const line = flags.json === true ? json : `${safeText(path)}: ${text}`
  await standardOutput(stop.signal).write(`${line}\n`)
}
