import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ClaimTarget } from '../claim/claim.ts'
import type { NbdBlockDeviceOptions } from './options.ts'
import type { NbdAddress } from './uri.ts'

/**
 * The target of claims on this machine: the server and the export, as the URI names them. The kernel's claims do not
 * reach other machines, and do not recognise two names of one server.
 */
export async function claimTarget(
  { uri, server, exportName }: NbdAddress,
  { claims }: Pick<NbdBlockDeviceOptions, 'claims'> = {},
): Promise<ClaimTarget> {
  const address =
    'path' in server
      ? await realpath(server.path).catch(() => resolve(server.path))
      : `${server.host}:${server.port}`
  const identity = `nbd-${address}/${exportName}`
  return { device: uri, identity, file: undefined, bestEffort: claims === 'best-effort' }
}
