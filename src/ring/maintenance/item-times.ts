import { Format2Consumer, type Run } from '../format2/consumer.ts'
import { Format2Producer } from '../format2/producer.ts'
import type { Consumer, PopManyOptions, Producer } from '../types.ts'

/** Items that a producer pushed at one time; `time` is undefined in format 1, which does not record it. */
export type TimedItems = Omit<Run, 'time'> & { readonly time: number | undefined }

/** As `popMany`, with when the items were pushed. */
export async function popTimed(
  consumer: Consumer,
  options: PopManyOptions,
): Promise<readonly TimedItems[]> {
  if (consumer instanceof Format2Consumer) return await consumer.popRuns(options)
  const items = await consumer.popMany(options)
  return items.length === 0 ? [] : [{ items, time: undefined }]
}

/** Has what is pushed from here on keep the time when it was pushed to another ring: now if that is unknown. */
export function keepTime(producer: Producer, time: number | undefined): void {
  if (producer instanceof Format2Producer) producer.pushedAt = time
}
