/**
 * Fences cut a silent host off from the storage before another one takes over its role.
 *
 * @module shared-block-ring/hosts
 */
export { type CephFenceOptions, fenceByCeph } from './ceph.ts'
export { type CommandFenceOptions, fenceByCommand } from './command.ts'
