import * as otel from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  CompositePropagator,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from '@opentelemetry/core'
import {
  AggregationTemporality,
  type HistogramMetricData,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricProducer,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { type Envelope, type EnvelopeInput, envelope, text } from '../../src/codec/index.ts'
import {
  Instruments,
  type MetricFamily,
  metricProducer,
  Tracing,
  type TracingApi,
} from '../../src/metrics/index.ts'
import type { ProcessOptions } from '../../src/ring/queue/process/types.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'

const exporter = new InMemorySpanExporter()
const api: TracingApi = otel
const tracing = new Tracing(api)

beforeAll(() => {
  otel.context.setGlobalContextManager(new AsyncLocalStorageContextManager())
  otel.propagation.setGlobalPropagator(
    new CompositePropagator({
      propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
    }),
  )
  const spanProcessors = [new SimpleSpanProcessor(exporter)]
  otel.trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }))
})

beforeEach(() => exporter.reset())

afterAll(() => {
  otel.trace.disable()
  otel.propagation.disable()
  otel.context.disable()
})

type Handling = Parameters<typeof tracing.handler<string>>[1]

interface Pair {
  readonly writer: RingWriter<EnvelopeInput<string>>
  readonly reader: RingReader<Envelope<string>>
  /** Handles what is in the ring. */
  handle(handler: Handling, options?: ProcessOptions<Envelope<string>>): Promise<void>
}

let rings = 0
async function pair(queue?: string): Promise<Pair & AsyncDisposable> {
  const device = new MemoryBlockDevice({ sizeSectors: 4096, name: `traced-${++rings}` })
  const options = { codec: envelope(text), ...(queue !== undefined && { queue }) }
  const writer = await RingWriter.open(device, { createIfMissing: true, ...options })
  const reader = await RingReader.open(device, options)
  return {
    writer,
    reader,
    handle: async (handler, more = {}) => {
      const traced = tracing.handler(reader, handler)
      await reader.process(traced, { untilEmpty: true, backoff: { firstMs: 1 }, ...more })
    },
    [Symbol.asyncDispose]: async () => {
      await reader.close()
      await writer.close()
    },
  }
}

function spans(name: string): readonly ReadableSpan[] {
  return exporter.getFinishedSpans().filter((span) => span.name === name)
}

test('items of one pushMany are in the trace of its span', async () => {
  await using ring = await pair('q')
  await tracing.pushMany(ring.writer, [{ item: 'a' }, { item: 'b', headers: { own: 'kept' } }])
  const seen: unknown[] = []
  await ring.handle(({ item, headers }) => seen.push([item, headers['own']]))
  expect(seen).toEqual([
    ['a', undefined],
    ['b', 'kept'],
  ])
  const [sent] = spans('push q')
  expect(sent?.attributes['messaging.batch.message_count']).toBe(2)
  const handled = spans('process q')
  expect(handled.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([
    sent?.spanContext().spanId,
    sent?.spanContext().spanId,
  ])
  expect(spans('push q')).toHaveLength(1)
})

test('an item that is passed on stays in its trace', async () => {
  await using first = await pair('first')
  await using second = await pair('second')
  await tracing.push(first.writer, { item: 'a' })
  await first.handle(async (item) => void (await tracing.push(second.writer, item)))
  await second.handle(() => undefined)
  const [begun] = spans('push first')
  const [passed] = spans('push second')
  const [handled] = spans('process second')
  const { traceId, spanId } = begun?.spanContext() ?? {}
  expect(passed?.links.map(({ context }) => context.spanId)).toEqual([spanId])
  expect(handled?.parentSpanContext).toMatchObject({ traceId, spanId })
})

test('each attempt has a span, and says how it failed', async () => {
  await using ring = await pair()
  await tracing.push(ring.writer, { item: 'a' })
  await ring.handle(
    (_, job) => {
      if (job.attempt === 1) throw new RangeError('no')
      // Forgotten to return.
      if (job.attempt === 2) void job.retry({ reason: 'later' })
      if (job.attempt === 3) return Promise.reject(new TypeError('never'))
      return job.attempt === 4 ? job.giveUp('enough') : undefined
    },
    { deadLetter: async () => undefined },
  )
  const handled = spans(`process ${ring.reader.consumer.device.name}`)
  expect(
    handled.map(({ status, attributes, events }) => [
      attributes['messaging.shared_block_ring.message.attempt'],
      ...[status.code, status.message, attributes['error.type'], events[0]?.name],
    ]),
  ).toEqual([
    [1, otel.SpanStatusCode.ERROR, 'no', 'RangeError', 'exception'],
    [2, otel.SpanStatusCode.ERROR, 'later', 'string', 'exception'],
    [3, otel.SpanStatusCode.ERROR, 'never', 'TypeError', 'exception'],
    [4, otel.SpanStatusCode.ERROR, 'enough', 'string', 'exception'],
  ])
})

test('a push that fails says so, and a handler that returns at once ends its span', async () => {
  await using ring = await pair('q')
  await ring.writer.close()
  await expect(tracing.push(ring.writer, { item: 'a' })).rejects.toMatchObject({
    code: 'RING_CLOSED',
  })
  expect(spans('push q')[0]).toMatchObject({
    status: { code: otel.SpanStatusCode.ERROR },
    attributes: { 'error.type': 'RING_CLOSED' },
  })
})

test('an envelope without room for a context goes without it', async () => {
  await using ring = await pair('q')
  const many = Array.from({ length: 64 }, (_, index) => [`header-${index}`, 'x'])
  const large = { large: 'x'.repeat(65_500) }
  await tracing.pushMany(ring.writer, [
    { item: 'many', headers: Object.fromEntries(many) },
    { item: 'large', headers: large },
  ])
  const seen: number[] = []
  await ring.handle(({ headers }) => seen.push(Object.keys(headers).length))
  expect(seen).toEqual([64, 1])
  for (const { parentSpanContext } of spans('process q')) expect(parentSpanContext).toBeUndefined()
})

/** What could pass for a context, or nearly. */
const GARBAGE: readonly (string | undefined)[] = [
  ...[undefined, '', '%', '\0\x1b[31m\u202e', 'a=%E0%A4%A;b=%', 'a=b,'.repeat(2000)],
  '00-00000000000000000000000000000000-0000000000000000-00',
  'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more',
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  `a=${'b'.repeat(20_000)}`,
]

test('the handler is called once for each item, whatever the headers hold', async () => {
  await using ring = await pair('q')
  const items = GARBAGE.flatMap((traceparent) =>
    GARBAGE.flatMap((tracestate) =>
      GARBAGE.map((baggage) => {
        const given = Object.entries({ traceparent, tracestate, baggage })
        const headers = given.filter(([, value]) => value !== undefined) as [string, string][]
        return { item: 'a', headers: Object.fromEntries(headers) }
      }),
    ),
  )
  let calls = 0
  const pushed = ring.writer.pushMany(items)
  while (calls < items.length) {
    await ring.handle((item) => {
      calls++
      expect(item.item).toBe('a')
    })
  }
  await pushed
  expect(calls).toBe(items.length)
})

test('a propagator that throws keeps no item from its handler', async () => {
  await using ring = await pair('q')
  await ring.writer.push({ item: 'a', headers: { traceparent: 'x' } })
  const extract = (): never => {
    throw new Error('that is no context')
  }
  const broken = new Tracing({ ...api, propagation: { inject: () => undefined, extract } })
  const { handled } = await ring.reader.process(
    broken.handler(ring.reader, () => undefined),
    { untilEmpty: true },
  )
  expect(handled).toBe(1)
  expect(spans('process q')).toHaveLength(1)
})

/** The value of each sample that is a number; of a histogram, its buckets. */
function told(families: readonly MetricFamily[]): Readonly<Record<string, readonly unknown[]>> {
  const some = families.filter(({ samples }) => samples.length > 0)
  return Object.fromEntries(
    some.map(({ name, samples }) => [
      name,
      samples.map(({ labels, value }) => [
        labels,
        typeof value === 'number' ? value : [value.bounds, value.counts, value.sum],
      ]),
    ]),
  )
}

test('a metric reader of the SDK gets what instruments tell', async () => {
  await using ring = await pair('measured')
  const instruments = new Instruments({ rings: { orders: ring.writer.producer.device } })
  onTestFinished(() => instruments[Symbol.dispose]())
  await ring.writer.pushMany([{ item: 'a' }, { item: 'b' }])
  await ring.handle(() => undefined)
  const producer: MetricProducer = metricProducer(instruments)
  const metricReader = new PeriodicExportingMetricReader({
    exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
    exportIntervalMillis: 3_600_000,
    metricProducers: [producer],
  })
  const provider = new MeterProvider({ readers: [metricReader] })
  const { resourceMetrics, errors } = await metricReader.collect()
  expect(errors).toEqual([])
  const [scope] = resourceMetrics.scopeMetrics.filter(
    (one) => one.scope.name === 'shared-block-ring',
  )
  const metrics = scope?.metrics ?? []
  const got = metrics.map(({ descriptor: { name }, dataPoints }) => [
    name,
    dataPoints.map(({ attributes, value }) => {
      if (typeof value === 'number') return [attributes, value]
      const { buckets, sum } = value as HistogramMetricData['dataPoints'][number]['value']
      return [attributes, [buckets.boundaries, buckets.counts, sum]]
    }),
  ])
  expect(Object.fromEntries(got)).toEqual(told(await instruments.collect()))
  const items = metrics.find(({ descriptor }) => descriptor.name.endsWith('writer_items_total'))
  expect(items).toMatchObject({ isMonotonic: true, descriptor: { unit: '1' } })
  const times = metrics.find(({ descriptor }) => descriptor.name.endsWith('writer_commit_seconds'))
  expect(times?.descriptor.unit).toBe('s')
  await provider.shutdown()
})
