import { Format2Consumer, type PushedItems } from '../format2/consumer.ts'
import { Format2Producer } from '../format2/producer.ts'
import type { Consumer, PopManyOptions, Producer } from '../types.ts'

/** Items that were pushed at the same time; `time` is undefined in format 1, which does not record it. */
export type TimedItems = Omit<PushedItems, 'time'> & { readonly time: number | undefined }

/** As `popMany`, with push times. */
export async function popTimed(
  consumer: Consumer,
  options: PopManyOptions,
): Promise<readonly TimedItems[]> {
  if (consumer instanceof Format2Consumer) return await consumer.popByTime(options)
  const items = await consumer.popMany(options)
  return items.length === 0 ? [] : [{ items, time: undefined }]
}

/** Gives the next pushes the time of an earlier push to another ring; the current time if that is unknown. */
export function keepTime(producer: Producer, time: number | undefined): void {
  if (producer instanceof Format2Producer) producer.pushedAt = time
}
