/** A named stream of events with subscribers: a channel of `node:diagnostics_channel`. */
export interface Channel {
  /** True if the channel has subscribers; check it before making an event. */
  readonly hasSubscribers: boolean
  publish(event: unknown): void
}

/** An event without the fields that all events of its channel share, for each kind separately. */
export type EventDetails<Event, Common extends keyof Event> = Event extends unknown
  ? Omit<Event, Common>
  : never

const silent: Channel = { hasSubscribers: false, publish: () => undefined }

/** Looked up at run time, so that the core imports nothing from Node and loads in browsers. */
const builtin = (): typeof import('node:diagnostics_channel') | undefined =>
  globalThis.process?.getBuiltinModule?.('node:diagnostics_channel')

/** The diagnostics channel of that name, or one without subscribers if the runtime has none. */
export function channel(name: string): Channel {
  return builtin()?.channel(name) ?? silent
}

/**
 * Subscribes to channels until it is disposed.
 * @throws {Error} the runtime has no channels
 */
export function listen(
  listeners: readonly { readonly channel: string; readonly hear: (message: unknown) => void }[],
): Disposable {
  const channels = builtin()
  if (channels === undefined) {
    throw new Error('this runtime has no node:diagnostics_channel, on which events are published')
  }
  for (const { channel, hear } of listeners) channels.subscribe(channel, hear)
  return {
    [Symbol.dispose]: () => {
      for (const { channel, hear } of listeners) channels.unsubscribe(channel, hear)
    },
  }
}
