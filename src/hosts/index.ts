export { type CephFenceOptions, fenceByCeph } from './ceph.ts'
export { type CommandOptions, fenceByCommand } from './command.ts'
