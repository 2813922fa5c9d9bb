import { checkDevice } from '../block/check-device.ts'
import { claimCreator } from '../block/creator-claim.ts'
import type { BlockClaim, BlockDevice } from '../block/device.ts'
import { systemClock } from '../clock.ts'
import { RingError } from '../errors.ts'
import { POOL_START, POOL_UNIT } from '../ring/format2/disk/directory.ts'
import { readContent } from '../ring/report/signatures.ts'
import { holdsPool } from '../ring/shared/detect.ts'
import { keyOf } from '../ring/shared/key.ts'
import { Lazy } from '../util/lazy.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import { describeOther, PoolDirectory, writeDirectory, writeGuard } from './directory.ts'
import { poolTooSmall } from './errors.ts'
import { holderOf } from './removable.ts'
import { MIN_POOL_BYTES } from './sizes.ts'
import type { CreatePoolOptions } from './types.ts'
import { wipe } from './wipe.ts'

const leases = new Lazy(() => import('./lease.ts'))

const KINDS: OptionKinds<CreatePoolOptions> = {
  eraseOther: 'boolean',
  uuid: 'object',
  clock: 'object',
}
const UUID_BYTES = 16

/**
 * As `Pool.create`.
 * @returns whether a pool was created
 */
export async function createPool(
  device: BlockDevice,
  options: CreatePoolOptions = {},
): Promise<boolean> {
  checkDevice('Pool.create', device)
  checkOptions('Pool.create', options, KINDS)
  const { uuid = crypto.getRandomValues(new Uint8Array(UUID_BYTES)) } = options
  if (!(uuid instanceof Uint8Array) || uuid.length !== UUID_BYTES) {
    throw new RangeError(`a pool's uuid has ${UUID_BYTES} bytes`)
  }
  const claims: BlockClaim[] = []
  try {
    if (device.capabilities.claim) {
      const key = keyOf(device)
      claims.push(await claimCreator(device, { key, clock: options.clock }))
      for (const role of ['produce', 'producer', 'consumer']) {
        claims.push(await device.claim(role, { holder: holderOf('Pool.create'), key }))
      }
    }
    return await create(device, uuid, options)
  } finally {
    for (const claim of claims.reverse()) await claim.release()
  }
}

async function create(
  device: BlockDevice,
  uuid: Uint8Array,
  { eraseOther = false, clock = systemClock }: CreatePoolOptions,
): Promise<boolean> {
  const info = await device.getInfo()
  const bytes = info.sectorSize * info.sizeSectors
  const poolBytes = Math.floor(bytes / POOL_UNIT) * POOL_UNIT
  const content = await readContent(device)
  const isFree = content.firstNonZero < 0 || content.unfinished !== undefined
  if (!isFree && (await holdsPool(device))) {
    await PoolDirectory.open(device, clock)
    return false
  }
  if (poolBytes < MIN_POOL_BYTES) throw poolTooSmall(device.name, MIN_POOL_BYTES, bytes)
  if (!isFree && !eraseOther) {
    const found = describeOther(content)
    throw new RingError(
      'RING_NOT_BLANK',
      `${device.name} holds ${found}; nothing was written. Erase it, or overwrite it on purpose`,
      { device: device.name, field: 'pool', expected: 'zeroes, or a pool of rings', found },
    )
  }
  if (!isFree) {
    const { leasesOn, takeOrCheck } = leases.value ?? (await leases.load())
    for (const place of await leasesOn(device)) await takeOrCheck(place, clock, undefined)
  }
  await wipe(device, POOL_START)
  await writeGuard(device, info)
  await writeDirectory(device, { uuid, generation: 1, poolBytes, nextId: 1, rings: [] })
  return true
}
