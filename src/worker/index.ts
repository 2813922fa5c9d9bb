/**
 * A worker holds a ring for pages, which push, receive and acknowledge by messages.
 *
 * @module shared-block-ring/worker
 */
export {
  type ConnectTarget,
  RingConnection,
  type RingConnectionOptions,
} from './connect.ts'
export type { HostedRing } from './host.ts'
export type { WorkerLocks } from './locks.ts'
export type { RingConnectionStatus } from './protocol.ts'
export { RingServer, type RingServerOptions, type ServeScope } from './serve.ts'
