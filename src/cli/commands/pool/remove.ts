import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { safeJson, safeText } from '../../../text/render.ts'
import { openPoolOf, type PoolFlags } from '../../device/pool.ts'
import { namedDevice } from '../../flags/flags.ts'
import { poolFlags, ringName } from '../../flags/pool-flags.ts'
import { standardOutput } from '../../output/output.ts'
import { stopSignals } from '../../signals.ts'

interface Flags extends PoolFlags {
  readonly force?: boolean
}

const fullDescription = `Removes a ring from a pool, and all that is in it. A ring with unacknowledged items, or one that cannot be read, is
refused without --force. Even with --force, a ring is refused while a producer or consumer uses it on this machine, or
while a host has leased one of its roles; with --lease this takes both leases first.

With --json: one object with "device" and "removed", the ring's name.

EXAMPLES
  sbr pool remove pool.img orders
  sbr pool remove pool.img orders --force`

export const remove: Command<CommandContext> = buildCommand({
  docs: { brief: 'Remove a ring from a pool', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [namedDevice, ringName] },
    flags: {
      force: {
        kind: 'boolean',
        brief: 'Remove it even if it has items, or cannot be read',
        optional: true,
        withNegated: false,
      },
      ...poolFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, path: string, name: string): Promise<void> {
  using stop = stopSignals()
  await using opened = await openPoolOf(path, 'read-write', flags, stop.signal)
  await opened.pool.remove(name, { discardItems: flags.force === true })
  const line =
    flags.json === true
      ? safeJson({ device: path, removed: name })
      : `${safeText(`${path}#${name}`)}: removed`
  await standardOutput(stop.signal).write(`${line}\n`)
}
