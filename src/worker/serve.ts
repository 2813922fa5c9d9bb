import { RingError } from '../errors.ts'
import { NEW_RING_KINDS } from '../ring/new-ring-kinds.ts'
import { checkReaderOptions } from '../ring/queue/reader-options.ts'
import { checkWriterOptions } from '../ring/queue/writer-options.ts'
import { checkRange } from '../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import { Host, type HostedRing } from './host.ts'
import { holdNew, locksHere, onceFree, type WorkerLocks } from './locks.ts'
import { type Hello, helloOf, type RingPort, VERSION, workerLost } from './protocol.ts'
import { Session } from './session.ts'
import { Share, type ShareChannel } from './share.ts'

/** The default of `maxUnacked`. */
const MAX_UNACKED = 1024

/**
 * The object on which a worker receives messages from pages: `self`, Node's `parentPort`, or a port whose other end a
 * page has.
 */
export interface ServeScope {
  /** Calls back with each message. */
  addEventListener(type: 'message', listener: (event: object) => void): void
  /** Ends that subscription. */
  removeEventListener(type: 'message', listener: (event: object) => void): void
  /** Of a port: starts to deliver messages. */
  start?(): void
}

/** The ring that a worker serves, and the options of the service. */
export interface RingServerOptions extends HostedRing {
  /**
   * The most entries that a page has received and not acknowledged. Beyond it, its next `receive` waits. Default 1,024.
   */
  readonly maxUnacked?: number
  /**
   * A name under which all tabs of the origin share the ring: one of the workers that serve this name has the ring, and
   * the others relay the messages of their pages. Default: each worker has a ring of its own.
   */
  readonly sharedAs?: string
  /** Lets either side detect the end of the other. Default: `navigator.locks`. */
  readonly locks?: WorkerLocks
}

const KINDS: OptionKinds<RingServerOptions> = {
  open: 'function',
  createIfMissing: ['boolean', 'object'],
  writer: 'object',
  reader: 'object',
  maxUnacked: 'number',
  sharedAs: 'string',
  locks: 'object',
}

/**
 * Serves a ring to pages that call `RingConnection.open`, as soon as it is constructed. The worker has the device and
 * the roles, and a page pushes, receives and acknowledges by messages. Construct it before the worker's first `await`,
 * because earlier messages are lost. The program's own messages may use the same scope.
 *
 * - The device, the writer and the reader are opened when a page first needs them. If that fails, the next call tries
 *   again.
 * - Entries that a page did not acknowledge go to another page once it is closed, crashes or is killed.
 *
 * @example
 * ```ts
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 * import { RingConnection, RingServer } from 'shared-block-ring/worker'
 *
 * // In the worker; `self` there, and a device that lasts.
 * const { port1, port2 } = new MessageChannel()
 * const open = () => new MemoryBlockDevice({ sizeSectors: 1024 })
 * const server = new RingServer(port2, { open, createIfMissing: true })
 *
 * // In the page, with the worker instead of the port.
 * const ring = await RingConnection.open(port1)
 * await ring.push(new TextEncoder().encode('hello'))
 * const entry = await ring.receive()
 * await entry.ack()
 * await ring.close()
 * await server.close()
 * port1.close()
 * ```
 */
export class RingServer implements AsyncDisposable {
  readonly #close: () => Promise<void>

  /** @throws {TypeError | RangeError} an option is out of range; `sharedAs` where there are no Web Locks */
  constructor(scope: ServeScope, options: RingServerOptions) {
    this.#close = serveRing(scope, options)
  }

  /**
   * Ends all connections, releases the roles, and closes the device. Writes under way are answered first; waiting calls
   * are rejected with `RING_CLOSED`. Never fails; can be called again.
   */
  close(): Promise<void> {
    return this.#close()
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Begins to serve; returns what ends it. */
function serveRing(scope: ServeScope, options: RingServerOptions): () => Promise<void> {
  checkOptions('RingServer', options, KINDS)
  const { maxUnacked = MAX_UNACKED, sharedAs, locks = locksHere() } = options
  if (typeof options.open !== 'function') throw new TypeError('RingServer: option open is missing')
  checkRange({ maxUnacked }, 1)
  checkWriterOptions('RingServer: writer', options.writer ?? {})
  checkReaderOptions('RingServer: reader', options.reader ?? {})
  if (typeof options.createIfMissing === 'object')
    checkOptions('RingServer: createIfMissing', options.createIfMissing, NEW_RING_KINDS)
  if (sharedAs !== undefined && locks === undefined) {
    throw new TypeError('RingServer: sharedAs needs Web Locks (navigator.locks)')
  }
  const host = new Host(options)
  const closing = new AbortController()
  /** The pages being served, with the error that each gets when the server is closed. */
  const sessions = new Map<Session, RingError>()
  const held = holdNew(locks, 'worker')

  const welcome = async (port: RingPort, signal: AbortSignal): Promise<void> => {
    const lock = (await held)?.name
    if (!signal.aborted) port.postMessage({ welcome: VERSION, lock }, [])
  }
  const onEnd = ({ lock: pageLock }: Hello, signal: AbortSignal, ended: () => void): void => {
    if (locks !== undefined && pageLock !== undefined) onceFree(locks, pageLock, signal, ended)
  }
  const serve = (hello: Hello, whenClosed: RingError): void => {
    const { port, version } = hello
    const session = new Session(port, host, maxUnacked, () => sessions.delete(session))
    sessions.set(session, whenClosed)
    if (version !== VERSION) {
      session.refuse(`the page speaks version ${version}, the worker ${VERSION}; load both anew`)
      return
    }
    onEnd(hello, session.ending, () => session.end())
    void welcome(port, session.ending)
  }
  const share =
    sharedAs === undefined || locks === undefined
      ? undefined
      : new Share({
          ...{ name: sharedAs, locks, closing: closing.signal },
          serve: (hello) => serve(hello, closed()),
          // Another worker has the ring next, so these pages connect again.
          serveOther: (hello) => serve(hello, workerLost('The worker of another tab was closed')),
          channel: (name) => new BroadcastChannel(name) as unknown as ShareChannel,
          onEnd: (hello, ended) => {
            void welcome(hello.port, closing.signal)
            onEnd(hello, closing.signal, ended)
          },
        })
  const listener = (event: object): void => {
    const hello = 'data' in event ? helloOf(event.data) : undefined
    if (hello === undefined) return
    if (share === undefined) serve(hello, closed())
    else share.connect(hello)
  }
  scope.addEventListener('message', listener)
  scope.start?.()

  let ended: Promise<void> | undefined
  const close = async (): Promise<void> => {
    scope.removeEventListener('message', listener)
    share?.stopAccepting()
    // Writes in progress are answered first: a page that was told that its push is not in the ring would push it again.
    await Promise.all([...sessions].map(([session, error]) => session.close(error)))
    await host.close()
    // From here on another tab's worker may serve the ring.
    closing.abort()
    share?.close()
    ;(await held)?.release()
  }
  return () => {
    ended ??= close()
    return ended
  }
}

function closed(): RingError {
  return new RingError('RING_CLOSED', 'The worker closed the ring', {})
}
