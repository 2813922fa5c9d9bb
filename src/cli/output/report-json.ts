import type { RingInspection } from '../../ring/inspection.ts'
import { formatPosition } from '../../ring/shared/position-text.ts'
import { safeJson } from '../../text/render.ts'
import type { Circumstances } from '../device/next-steps.ts'
import { asCommandError } from '../errors.ts'
import { Stopped } from '../signals.ts'
import { writeItemJson } from './items.ts'
import type { Output } from './output.ts'
import { shownRoles } from './positions.ts'
import { errorObject } from './render-error.ts'
import { TextWriter } from './text-writer.ts'

/** The content of a report. */
export interface ReportOptions extends Circumstances {
  /** The most items that are shown. */
  readonly items: number
  /** Ends it between two items. */
  readonly signal: AbortSignal
}

/** Writes a ring's state as one JSON object, item by item: a large ring is never in memory. */
export async function writeJson(
  output: Output,
  state: RingInspection,
  { items: most, signal, holders, leases }: ReportOptions,
): Promise<void> {
  const { items: waiting, ...fields } = state
  const atWork = {
    producer: holders.producer !== undefined,
    consumer: holders.consumer !== undefined,
  }
  const writer = new TextWriter(output)
  const { uuid: _, ...leaseStates } = leases ?? {}
  const json = safeJson({
    ...{ ...fields, ...shownRoles(state), atWork, holders },
    ...(leases !== undefined && { leases: leaseStates }),
  })
  if (most === 0) return output.write(`${json}\n`)
  await writer.add(`${json.slice(0, -1)},"items":[`)
  try {
    let shown = 0
    for await (const { item, position } of waiting()) {
      signal.throwIfAborted()
      if (shown > 0) await writer.add(',')
      await writeItemJson(writer, { position: formatPosition(position, state.format) }, item)
      shown++
      if (shown === most) break
    }
    await writer.add(']}\n')
  } catch (error) {
    if (error instanceof Stopped) throw error
    // The output so far has to end as valid JSON, and must not look complete.
    await writer.add(`],"error":${safeJson(errorObject(asCommandError(error)))}}\n`)
    await writer.end()
    throw error
  }
  await writer.end()
}
