// One side of a traced pair: pushes an item within a span of the program, or handles it; prints the spans that ended,
// one a line.
import * as api from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { FileBlockDevice } from '../../dist/block/file/index.js'
import { envelope, json } from '../../dist/codec/index.js'
import { RingReader, RingWriter } from '../../dist/index.js'
import { Tracing } from '../../dist/metrics/index.js'

const exporter = {
  export: (spans, done) => {
    for (const span of spans) {
      const { name, kind, parentSpanContext, links, attributes } = span
      const { traceId, spanId } = span.spanContext()
      const linked = links.map(({ context }) => context.spanId)
      const parent = parentSpanContext?.spanId
      console.log(JSON.stringify({ name, kind, traceId, spanId, parent, linked, attributes }))
    }
    done({ code: 0 })
  },
  shutdown: async () => undefined,
}
api.context.setGlobalContextManager(new AsyncLocalStorageContextManager())
api.propagation.setGlobalPropagator(new W3CTraceContextPropagator())
const spanProcessors = [new SimpleSpanProcessor(exporter)]
api.trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }))
const tracer = api.trace.getTracer('a program')
const tracing = new Tracing(api)

const [, , side, path] = process.argv
const names = { queue: 'orders', client: side, codec: envelope(json()) }
const device = await FileBlockDevice.openOrCreate(path, { sizeBytes: 1 << 20 })
if (side === 'shop') {
  const writer = await RingWriter.open(device, { createIfMissing: true, ...names })
  await tracer.startActiveSpan('buy', async (span) => {
    await tracing.push(writer, { item: { book: 1 }, id: 'order-1' })
    span.end()
  })
  await writer.close()
} else {
  const reader = await RingReader.open(device, names)
  const send = async () => tracer.startActiveSpan('send the book', (span) => span.end())
  await reader.process(tracing.handler(reader, send), { untilEmpty: true })
  await reader.close()
}
await device.close()
