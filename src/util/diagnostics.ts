/** A named stream of events with subscribers: a channel of `node:diagnostics_channel`. */
export interface Channel {
  /** Whether anybody listens; check it before making a message. */
  readonly hasSubscribers: boolean
  publish(message: unknown): void
}

const silent: Channel = { hasSubscribers: false, publish: () => undefined }

/**
 * The diagnostics channel of that name, or one without subscribers if the runtime has none. Looked up at run time, so
 * that the core imports nothing from Node and loads in browsers.
 */
export function channel(name: string): Channel {
  const builtin = globalThis.process?.getBuiltinModule?.('node:diagnostics_channel')
  return builtin?.channel(name) ?? silent
}
