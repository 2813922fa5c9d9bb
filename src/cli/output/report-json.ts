import type { RingHolders } from '../../ring/holders.ts'
import { formatPosition } from '../../ring/position-text.ts'
import type { RingInspection } from '../../ring/types.ts'
import { asCommandError } from '../errors.ts'
import { Stopped } from '../signals.ts'
import { writeItemJson } from './items.ts'
import type { Output } from './output.ts'
import { shownRoles } from './positions.ts'
import { safeJson } from './render.ts'
import { errorObject } from './render-error.ts'
import { TextWriter } from './text-writer.ts'

/** What a report of a ring shows. */
export interface ReportOptions {
  readonly items: boolean
  readonly holders: RingHolders
  /** Ends it between two items. */
  readonly signal: AbortSignal
}

/** Writes a ring's state as one JSON object, item by item: a large ring is never in memory. */
export async function writeJson(
  output: Output,
  state: RingInspection,
  { items, signal, holders }: ReportOptions,
): Promise<void> {
  const { items: waiting, ...fields } = state
  const atWork = {
    producer: holders.producer !== undefined,
    consumer: holders.consumer !== undefined,
  }
  const writer = new TextWriter(output)
  const json = safeJson({ ...fields, ...shownRoles(state), atWork, holders })
  if (!items) return output.write(`${json}\n`)
  await writer.add(`${json.slice(0, -1)},"items":[`)
  try {
    let separator = ''
    for await (const { item, position } of waiting()) {
      signal.throwIfAborted()
      await writer.add(separator)
      await writeItemJson(writer, { position: formatPosition(position, state.format) }, item)
      separator = ','
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
