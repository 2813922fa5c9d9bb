import { Lazy } from '../../util/lazy.ts'
import type { Format } from '../format.ts'
import { attachConsumer, Format2Consumer } from './consumer.ts'
import { attachProducer } from './producer.ts'

const creation = new Lazy(() => import('./create.ts'))
const inspection = new Lazy(() => import('./check/inspect.ts'))
const extents = new Lazy(() => import('./check/extent.ts'))

/** Format 2: checksums everywhere, and one write per commit. */
export const format2: Format = {
  creation: () => creation.load(),
  attachProducer,
  attachConsumer,
  async inspect(device, options) {
    const { inspect } = inspection.value ?? (await inspection.load())
    return await inspect(device, options)
  },
  async extent(consumer, signal) {
    const { extent } = extents.value ?? (await extents.load())
    const from = consumer instanceof Format2Consumer ? await consumer.frontier() : undefined
    return await extent(consumer.device, from, signal)
  },
}
