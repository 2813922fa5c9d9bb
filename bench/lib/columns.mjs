// What is measured. A column is the same work for every contestant. `measure` answers items a second, of which each
// is `worth` so much of what the table shows. Those with a `label` compare with the device.
import { drainLarge, pushBatches, pushInFlight, takeAll } from './work.mjs'

const MIB = 1 << 20

const SIZES = [
  { label: '100 B', itemBytes: 100 },
  { label: '4 KiB', itemBytes: 4096 },
]

/** `items` is how many of them a commit can hold at most, `read` whether they are read. */
const WORK = [
  { id: 'one', title: 'one at a time', items: 1, measure: pushInFlight(1) },
  { id: '64', title: '64 in flight', items: 64, measure: pushInFlight(64) },
  { id: '1024', title: '1024 in flight', items: 1024, measure: pushInFlight(1024) },
  { id: 'batch', title: '1000 a batch', items: 1000, measure: pushBatches(1000) },
  { id: 'take', title: 'take + ack each', items: 1, read: true, measure: takeAll(1) },
  { id: 'take100', title: 'take + ack 100', items: 100, read: true, measure: takeAll(100) },
]

const LARGE = [
  { id: 'append', title: 'append', items: 1, measure: pushInFlight(1) },
  { id: 'drain', title: 'drain, 8 an ack', items: 1, read: true, measure: drainLarge(8) },
]

/** Of the device, there is one durable write at the same pace instead. */
export const LATENCY_TABLE =
  'Push to receipt in another process, in microseconds, a push every 2 to 5 ms; of the device: one durable write'

/** All columns, in the order of the table. Those without `measure` take two processes. */
export const COLUMNS = [
  ...SIZES.flatMap(({ label, itemBytes }) =>
    WORK.map((work) => ({
      ...work,
      id: `${label.replace(' ', '')}/${work.id}`,
      label: `${label}, ${work.title}`,
      itemBytes,
      worth: 1,
      table: `${label} items a second, each of them durable when it counts`,
    })),
  ),
  ...LARGE.map((work) => ({
    ...work,
    id: `1MiB/${work.id}`,
    label: `1 MiB, ${work.title}, MB/s`,
    itemBytes: MIB,
    worth: MIB / 1e6,
    large: true,
    table: '1 MiB items, MB a second',
  })),
  ...[0.5, 0.99].map((share) => ({
    id: `latency/p${share * 100}`,
    title: share === 0.5 ? 'median' : '99 %',
    share,
    itemBytes: 100,
    table: LATENCY_TABLE,
  })),
]
