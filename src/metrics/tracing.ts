import { type Envelope, type EnvelopeInput, encodeHead } from '../codec/envelope.ts'
import { isBlockError, isCodecError, isRingError } from '../errors.ts'
import type { Position } from '../position.ts'
import { UNNAMED } from '../ring/names.ts'
import { HandlerVerdict } from '../ring/queue/process/handler-verdict.ts'
import type { Handler, Job } from '../ring/queue/process/types.ts'
import type { RingReader } from '../ring/queue/reader.ts'
import type { RingWriter } from '../ring/queue/writer.ts'
import { formatPosition } from '../ring/shared/position-text.ts'
import type { RingRole } from '../ring/types.ts'
import { errorText } from '../util/error-text.ts'
import type { WaitingOptions } from '../util/waiting.ts'
import { SCOPE } from './metric-producer.ts'
import type {
  TraceContext,
  TraceHeaderGetter,
  TraceSpan,
  TraceSpanContext,
  TraceTracer,
  TracingApi,
} from './tracing-api.ts'

/** Numbers of the enums of `@opentelemetry/api`. */
const KIND = { producer: 3, consumer: 4 } as const
const ERROR = 2
/** The longest header that is read: the sender of an item must not make a propagator parse more. */
const MAX_HEADER_CHARACTERS = 8192
/** The most links of a span to contexts that items already carried: as many as the SDK keeps by default. */
const MAX_LINKS = 128
const SYSTEM = 'shared_block_ring'

const HEADERS: TraceHeaderGetter = {
  keys: (headers) => Object.keys(headers),
  get: (headers, name) => {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined
    return value === undefined || value.length > MAX_HEADER_CHARACTERS ? undefined : value
  },
}

/** A writer of envelopes. */
export type TracedWriter<In> = Pick<RingWriter<EnvelopeInput<In>>, 'producer' | 'push' | 'pushMany'>
/** A reader of envelopes. */
export type TracedReader<Out> = Pick<RingReader<Envelope<Out>>, 'consumer'>

/**
 * Spans of OpenTelemetry around pushes and handlers, by its conventions for messaging. The context travels in the
 * headers of an envelope, so the handler's span is in the trace of the push, in whichever process.
 *
 * - Tracing never stops an item: headers without a valid context begin a new trace, and a context that does not fit an
 *   envelope is left out.
 * - Headers that already carry a context are kept, so an item that is passed on stays in its trace.
 * @example
 * ```ts
 * import type { RingReader, RingWriter } from 'shared-block-ring'
 * import type { Envelope, EnvelopeInput } from 'shared-block-ring/codec'
 * import { Tracing, type TracingApi } from 'shared-block-ring/metrics'
 *
 * type Order = { readonly id: number }
 *
 * // import * as api from '@opentelemetry/api'
 * export function traced(api: TracingApi, writer: RingWriter<EnvelopeInput<Order>>, reader: RingReader<Envelope<Order>>) {
 *   const tracing = new Tracing(api)
 *   const working = reader.process(tracing.handler(reader, ({ item }) => console.log(item.id)))
 *   return { push: (item: Order) => tracing.push(writer, { item }), working }
 * }
 * ```
 */
export class Tracing {
  readonly #api: TracingApi
  readonly #tracer: TraceTracer

  /** @param api the module `@opentelemetry/api` */
  constructor(api: TracingApi) {
    this.#api = api
    this.#tracer = api.trace.getTracer(SCOPE)
  }

  /**
   * Pushes an item within a span of its own; the item carries the span's context.
   * @throws as `RingWriter.push`
   */
  push<In>(
    writer: TracedWriter<In>,
    item: EnvelopeInput<In>,
    options: WaitingOptions = {},
  ): Promise<Position> {
    const { id } = item
    const attributes = id === undefined ? {} : { 'messaging.message.id': id }
    return this.#send(writer, [item], attributes, ([traced]) =>
      writer.push(traced as EnvelopeInput<In>, options),
    )
  }

  /**
   * Pushes items within one span; each carries its context.
   * @throws as `RingWriter.pushMany`
   */
  pushMany<In>(
    writer: TracedWriter<In>,
    items: readonly EnvelopeInput<In>[],
    options: WaitingOptions = {},
  ): Promise<Position> {
    const attributes = { 'messaging.batch.message_count': items.length }
    return this.#send(writer, items, attributes, (traced) => writer.pushMany(traced, options))
  }

  /**
   * A handler for `RingReader.process` that runs within a span of its own, in the trace of the push of its item: each
   * attempt has one.
   * @param reader whose items it handles
   */
  handler<Out>(reader: TracedReader<Out>, handler: Handler<Envelope<Out>>): Handler<Envelope<Out>> {
    const { consumer } = reader
    return (item, job) => {
      const api = this.#api
      const parent = this.#contextOf(item)
      const creation = this.#creationOf(parent)
      const span = this.#start(consumer, 'process', parent, {
        kind: KIND.consumer,
        links: creation,
        attributes: {
          ...(item.id !== undefined && { 'messaging.message.id': item.id }),
          [`messaging.${SYSTEM}.message.position`]: formatPosition(job.position, consumer.format),
          [`messaging.${SYSTEM}.message.attempt`]: job.attempt,
        },
      })
      return api.context.with(api.trace.setSpan(parent, span), () =>
        during(span, () => handler(item, job), job),
      )
    }
  }

  #send<In>(
    { producer }: TracedWriter<In>,
    items: readonly EnvelopeInput<In>[],
    attributes: Record<string, string | number>,
    push: (traced: readonly EnvelopeInput<In>[]) => Promise<Position>,
  ): Promise<Position> {
    const { context, trace, propagation } = this.#api
    const active = context.active()
    const given = items.map((item) => this.#creationOf(this.#contextOf(item)))
    const links = given.flat().slice(0, MAX_LINKS)
    const span = this.#start(producer, 'send', active, { kind: KIND.producer, links, attributes })
    const headers: Record<string, string> = {}
    propagation.inject(trace.setSpan(active, span), headers)
    const traced = items.map((item, index) =>
      given[index]?.length === 0 ? withHeaders(item, headers) : item,
    )
    return during(span, async () => {
      const position = await push(traced)
      const shown = formatPosition(position, producer.format)
      span.setAttribute(`messaging.${SYSTEM}.message.position`, shown)
      return position
    })
  }

  #start(
    { queue, device, client }: Pick<RingRole, 'queue' | 'device' | 'client'>,
    type: 'send' | 'process',
    parent: TraceContext,
    options: {
      readonly kind: number
      readonly links: { readonly context: TraceSpanContext }[]
      readonly attributes: Record<string, string | number>
    },
  ): TraceSpan {
    const name = type === 'send' ? 'push' : 'process'
    const destination = queue === UNNAMED ? device.name : queue
    const attributes = {
      'messaging.system': SYSTEM,
      'messaging.operation.name': name,
      'messaging.operation.type': type,
      'messaging.destination.name': destination,
      ...(client !== UNNAMED && { 'messaging.client.id': client }),
      ...options.attributes,
    }
    return this.#tracer.startSpan(`${name} ${destination}`, { ...options, attributes }, parent)
  }

  /**
   * The context in an item's headers. They may hold anything, so this never throws; without a valid context, it is one
   * without a span.
   */
  #contextOf({ headers = {} }: Partial<Pick<Envelope<unknown>, 'headers'>>): TraceContext {
    const { context, trace, propagation } = this.#api
    const base = trace.deleteSpan(context.active())
    try {
      return propagation.extract(base, headers, HEADERS)
    } catch {
      return base
    }
  }

  #creationOf(context: TraceContext): { readonly context: TraceSpanContext }[] {
    const { trace } = this.#api
    const creation = trace.getSpanContext(context)
    return creation !== undefined && trace.isSpanContextValid(creation)
      ? [{ context: creation }]
      : []
  }
}

/** An item with the headers of a context, if an envelope has room for them. */
function withHeaders<In>(
  item: EnvelopeInput<In>,
  more: Readonly<Record<string, string>>,
): EnvelopeInput<In> {
  const traced = { ...item, headers: { ...item.headers, ...more } }
  try {
    encodeHead(traced)
    return traced
  } catch {
    return item
  }
}

/** Runs a call within a span, which ends with it and records whether it failed. */
function during<T>(span: TraceSpan, call: () => T, job?: Job): T {
  let result: T
  try {
    result = call()
  } catch (error) {
    failed(span, error)
    throw error
  }
  if (!isThenable(result)) {
    ended(span, result, job)
    return result
  }
  return result.then(
    (value) => {
      ended(span, value, job)
      return value
    },
    (error: unknown) => {
      failed(span, error)
      throw error
    },
  ) as T
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown } | undefined | null)?.then === 'function'
}

/** A handler may return that it failed, without throwing. */
function ended(span: TraceSpan, answer: unknown, job: Job | undefined): void {
  const decision = HandlerVerdict.given(answer, job)
  if (decision === undefined) span.end()
  else failed(span, decision.reason)
}

function failed(span: TraceSpan, error: unknown): void {
  const message = errorText(error)
  const name = error instanceof Error ? error.name : typeof error
  const stack = error instanceof Error ? error.stack : undefined
  span.recordException({ name, message, ...(stack !== undefined && { stack }) })
  span.setAttribute('error.type', codeOf(error) ?? name)
  span.setStatus({ code: ERROR, message })
  span.end()
}

function codeOf(error: unknown): string | undefined {
  return isRingError(error) || isBlockError(error) || isCodecError(error) ? error.code : undefined
}
