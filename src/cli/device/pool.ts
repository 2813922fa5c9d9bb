import { Pool } from '../../pool/index.ts'
import type { CommonFlags, RoleFlags } from '../flags/flags.ts'
import { namesOf } from '../flags/flags.ts'
import { type LeaseFlags, leaseOf } from '../flags/lease-flags.ts'
import { openWhole } from './device.ts'

/** Flags of the commands that change a pool. */
export interface PoolFlags extends CommonFlags, Pick<RoleFlags, 'client'>, LeaseFlags {}

/** A pool, whose device is closed with it. */
export interface OpenedPool extends AsyncDisposable {
  readonly pool: Pool
}

/** Opens a pool, to change it or to look at it. */
export async function openPoolOf(
  path: string,
  mode: 'read-only' | 'read-write',
  flags: PoolFlags,
  signal: AbortSignal,
): Promise<OpenedPool> {
  const { client } = namesOf(flags)
  const options = { ...(client !== undefined && { client }), ...leaseOf(flags), signal }
  const device = await openWhole(path, mode, flags)
  try {
    const pool = await Pool.open(device, options)
    return { pool, [Symbol.asyncDispose]: () => device.disconnect() }
  } catch (error) {
    await device.disconnect()
    throw error
  }
}
