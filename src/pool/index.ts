/**
 * A pool: many named rings on one device.
 *
 * @module shared-block-ring/pool
 */
export { Pool } from './pool.ts'
export type { PoolRingDevice } from './ring-device.ts'
export type {
  AddRingOptions,
  CreatePoolOptions,
  PoolOptions,
  PoolRingInfo,
  PoolStatus,
  RemoveRingOptions,
} from './types.ts'
