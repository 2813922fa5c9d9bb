import type { BlockClaim, BlockDevice, ClaimOptions } from '../device.ts'

/** Claims a role on every one of the devices, or on none. */
export async function claimAll(
  devices: readonly BlockDevice[],
  role: string,
  options: ClaimOptions,
): Promise<BlockClaim> {
  const claims: BlockClaim[] = []
  const release = async (): Promise<void> => {
    for (const claim of claims.splice(0)) await claim.release()
  }
  try {
    for (const device of devices) claims.push(await device.claim(role, options))
  } catch (error) {
    await release()
    throw error
  }
  return { release }
}
