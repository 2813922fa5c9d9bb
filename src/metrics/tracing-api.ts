// What is used of `@opentelemetry/api`, by its shape: the package, which is an optional peer, is neither loaded nor
// needed for the types.

/** Values that go with a call, such as the span that is active. */
export interface TraceContext {
  /** A value by its key. */
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
  /** The span's identity. */
  spanContext(): TraceSpanContext
  /** Adds a name and a value. */
  setAttribute(name: string, value: string | number): unknown
  /** Records an error as an event. */
  recordException(error: TracedError): void
  /** Sets whether the span's operation has failed. */
  setStatus(status: { readonly code: number; readonly message?: string }): unknown
  /** Ends the span. */
  end(): void
}

/** An error as a span records it. */
export interface TracedError {
  readonly name: string
  readonly message: string
  readonly stack?: string
}

/** Options of a span. */
export interface TraceSpanOptions {
  readonly kind?: number
  readonly attributes?: Record<string, string | number>
  readonly links?: { readonly context: TraceSpanContext }[]
}

/** Makes spans. */
export interface TraceTracer {
  /** Begins a span, as a child of the one in the context. */
  startSpan(name: string, options?: TraceSpanOptions, context?: TraceContext): TraceSpan
}

/** The part of the module `@opentelemetry/api` that is used. */
export interface TracingApi {
  readonly trace: {
    /** A tracer of this name. */
    getTracer(name: string, version?: string): TraceTracer
    /** The context, with a span that is active. */
    setSpan(context: TraceContext, span: TraceSpan): TraceContext
    /** The context, without a span. */
    deleteSpan(context: TraceContext): TraceContext
    /** The context of the span that is active. */
    getSpanContext(context: TraceContext): TraceSpanContext | undefined
    /** True if it names a span. */
    isSpanContextValid(context: TraceSpanContext): boolean
  }
  readonly context: {
    /** The context of the running code. */
    active(): TraceContext
    /** Calls a function in a context. */
    with<T>(context: TraceContext, call: () => T): T
  }
  readonly propagation: {
    /** Writes a context into headers. */
    inject(context: TraceContext, carrier: Record<string, string>): void
    /** Reads a context from headers. */
    extract(
      context: TraceContext,
      carrier: Readonly<Record<string, string>>,
      getter: TraceHeaderGetter,
    ): TraceContext
  }
}

/** Reads headers. */
export interface TraceHeaderGetter {
  /** The names of all headers. */
  keys(headers: Readonly<Record<string, string>>): string[]
  /** A header by its name. */
  get(headers: Readonly<Record<string, string>>, name: string): string | undefined
}
