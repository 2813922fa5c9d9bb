import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { PoolStatus } from '../../../pool/index.ts'
import type { LeaseState } from '../../../ring/lease-types.ts'
import { describeLease } from '../../../text/lease.ts'
import { counted, grouped, safeJson, safeText } from '../../../text/render.ts'
import { openPoolOf } from '../../device/pool.ts'
import { type CommonFlags, commonFlags, device } from '../../flags/flags.ts'
import { standardOutput } from '../../output/output.ts'
import { stopSignals } from '../../signals.ts'

const fullDescription = `Prints the rings of a pool with their sizes, and how much room there is. Checks the directory, byte by byte; opens the
device read-only, takes no role and changes nothing. \`sbr check DEVICE#NAME\` looks at a ring itself.

With --json: one object with "device", the pool's "uuid", "sizeBytes", "freeBytes", "largestFreeBytes" (the largest
ring that there is room for), "rings", each with "name", "sizeBytes" and its "offset" on the device in bytes, and
"lease", that of the directory, in the form of sbr lease show.

EXAMPLES
  sbr pool list pool.img
  sbr pool list pool.img --json | jq -r '.rings[].name'`

export const list: Command<CommandContext> = buildCommand({
  docs: { brief: 'Show the rings of a pool', fullDescription },
  parameters: { positional: { kind: 'tuple', parameters: [device] }, flags: commonFlags },
  func: run,
})

async function run(flags: CommonFlags, path: string): Promise<void> {
  using stop = stopSignals()
  await using opened = await openPoolOf(path, 'read-only', flags, stop.signal)
  const state = await opened.pool.status()
  const lease = await opened.pool.readLease()
  const text =
    flags.json === true
      ? `${safeJson({ device: path, ...state, lease })}\n`
      : stateText(path, state, lease)
  await standardOutput(stop.signal).write(text)
}

function stateText(path: string, state: PoolStatus, lease: LeaseState): string {
  const { rings, freeBytes, largestFreeBytes } = state
  const sizes = rings.map(({ sizeBytes }) => grouped(sizeBytes))
  const width = Math.max(0, ...sizes.map(({ length }) => length))
  const lines = rings.map(
    ({ name }, index) => `${sizes[index]?.padStart(width)}  ${safeText(`${path}#${name}`)}\n`,
  )
  const room = `${grouped(freeBytes)} bytes free, ${grouped(largestFreeBytes)} of them in one piece`
  const held =
    lease.status === 'held' || lease.status === 'damaged'
      ? `the directory is leased: ${describeLease(lease)}\n`
      : ''
  return `${lines.join('')}${counted(rings.length, 'ring')}; ${room}\n${held}`
}
