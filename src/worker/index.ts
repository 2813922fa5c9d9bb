/**
 * A worker holds a ring for pages, which push, receive and acknowledge by messages.
 *
 * @module shared-block-ring/worker
 */
export {
  type ConnectionReceiveOptions,
  type ConnectRingOptions,
  type ConnectTarget,
  connectRing,
  RingConnection,
} from './connect.ts'
export type { HostedRing } from './host.ts'
export type { WorkerLocks } from './locks.ts'
export type { RingConnectionStatus } from './protocol.ts'
export { type RingServer, type ServeRingOptions, type ServeScope, serveRing } from './serve.ts'
