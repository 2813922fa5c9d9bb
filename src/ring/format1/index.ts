import type { Format } from '../format.ts'
import { attachConsumer } from './consumer.ts'
import { checkOptions, checkSize, createRing } from './create.ts'
import { inspect } from './inspect.ts'
import { attachProducer } from './producer.ts'

/** Format 1, the original's. */
export const format1: Format = {
  creation: async () => ({ checkOptions, checkSize, createRing }),
  attachProducer,
  attachConsumer,
  inspect,
  async extent({ device }, signal) {
    const { producer } = await inspect(device, signal === undefined ? {} : { signal })
    return { uuid: undefined, writtenTo: producer.position }
  },
}
