// What is used of `@opentelemetry/api`, by its shape: the package, which is an optional peer, is neither loaded nor needed for the types.

/** Values that go with a call, such as the span that is active. */
export interface TraceContext {
  getValue(key: symbol): unknown
}

/** Which span of which trace. */
export interface TraceSpanContext {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
}

/** A span that has begun. */
export interface TraceSpan {
  spanContext(): TraceSpanContext
  setAttribute(name: string, value: string | number): unknown
  recordException(error: TracedError): void
  setStatus(status: { readonly code: number; readonly message?: string }): unknown
  end(): void
}

/** An error as a span records it. */
export interface TracedError {
  readonly name: string
  readonly message: string
  readonly stack?: string
}

/** How a span begins. */
export interface TraceSpanOptions {
  readonly kind?: number
  readonly attributes?: Record<string, string | number>
  readonly links?: { readonly context: TraceSpanContext }[]
}

/** What makes spans. */
export interface TraceTracer {
  startSpan(name: string, options?: TraceSpanOptions, context?: TraceContext): TraceSpan
}

/** What is used of the module `@opentelemetry/api`. */
export interface TracingApi {
  readonly trace: {
    getTracer(name: string, version?: string): TraceTracer
    setSpan(context: TraceContext, span: TraceSpan): TraceContext
    deleteSpan(context: TraceContext): TraceContext
    getSpanContext(context: TraceContext): TraceSpanContext | undefined
    isSpanContextValid(context: TraceSpanContext): boolean
  }
  readonly context: {
    active(): TraceContext
    with<T>(context: TraceContext, call: () => T): T
  }
  readonly propagation: {
    inject(context: TraceContext, carrier: Record<string, string>): void
    extract(
      context: TraceContext,
      carrier: Readonly<Record<string, string>>,
      getter: TraceHeaderGetter,
    ): TraceContext
  }
}

/** How headers are read. */
export interface TraceHeaderGetter {
  keys(headers: Readonly<Record<string, string>>): string[]
  get(headers: Readonly<Record<string, string>>, name: string): string | undefined
}
