/** What every format offers. */
export { attachConsumer } from './consumer.ts'
export { createRing } from './create.ts'
export { inspect } from './inspect.ts'
export { attachProducer } from './producer.ts'
