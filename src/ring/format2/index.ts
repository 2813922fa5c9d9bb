import type { Format } from '../format.ts'
import { inspect } from './check/inspect.ts'
import { attachConsumer } from './consumer.ts'
import { checkSize, createRing } from './create.ts'
import { attachProducer } from './producer.ts'

/** Checksums, and one write a commit. */
export const format2: Format = { checkSize, createRing, attachProducer, attachConsumer, inspect }
