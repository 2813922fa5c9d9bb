import { createHash } from 'node:crypto'
import { constants, open } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { promisify } from 'node:util'
import { BlockError } from '../../errors.ts'
import { claimed } from '../check.ts'
import type { BlockClaim, ClaimOptions } from '../device.ts'
import { type ClaimAddress, claimAddress } from './claim-address.ts'
import { converse } from './claim-client.ts'
import type { Greeting } from './claim-protocol.ts'
import { type ClaimServer, serveClaim } from './claim-server.ts'
import { ioError, systemCode } from './errors.ts'
import type { Native } from './native.ts'
import { closeQuietly } from './open.ts'

/** How often a holder may vanish while it is asked who it is. */
const MAX_ATTEMPTS = 5

/** Locks are taken here, beyond all data. */
const LOCKS_START = 1n << 62n

/** What the role is a role of. */
export interface ClaimTarget {
  /** For messages. */
  readonly device: string
  /** The same for every name and handle of the device. */
  readonly key: string
  readonly fd: number
  readonly writable: boolean
  readonly native: Native | undefined
  readonly platform?: NodeJS.Platform
}

/**
 * Takes a role. A socket says who holds it and takes requests; where `koffi` is there, a lock on the file
 * also excludes other containers, whose sockets are not seen here.
 * @throws {BlockError} `BLOCK_CLAIMED`, `BLOCK_IO`
 */
export async function acquireClaim(
  target: ClaimTarget,
  role: string,
  options: ClaimOptions,
): Promise<BlockClaim> {
  const address = claimAddress(target.key, role, target.platform)
  const server = await occupy(target.device, address, role, options)
  try {
    const lockFd = await lock(target, role)
    return {
      release: async () => {
        await closeQuietly(lockFd)
        await server.close()
      },
    }
  } catch (error) {
    await server.close()
    throw error
  }
}

/** Sends a request to the role's holder on this machine. */
export async function askHolder(
  target: ClaimTarget,
  role: string,
  request: string,
): Promise<string | undefined> {
  const { path } = claimAddress(target.key, role, target.platform)
  return (await converse(path, request)).answer
}

async function occupy(
  device: string,
  { path, stale }: ClaimAddress,
  role: string,
  options: ClaimOptions,
): Promise<ClaimServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await serveClaim(path, options)
    } catch (cause) {
      if (systemCode(cause) !== 'EADDRINUSE') {
        throw ioError({ device, operation: `claim the ${role} role of` }, cause)
      }
    }
    const { absent, greeting } = await converse(path)
    if (!absent || attempt === MAX_ATTEMPTS) throw heldBy(device, role, greeting)
    // Two that do this at the same moment could both come to hold the role; nothing better is portable.
    if (stale) await unlink(path).catch(() => undefined)
  }
}

/** Locks a byte that stands for the role, until the descriptor that it answers is closed. */
async function lock(target: ClaimTarget, role: string): Promise<number | undefined> {
  if (target.native === undefined || !target.writable) return undefined
  // An open file of its own, because its locks belong to it and not to the process; through /proc, because
  // the path may mean another file by now. Without /proc there is no lock.
  const path = `/proc/self/fd/${target.fd}`
  const fd = await promisify(open)(path, constants.O_RDWR).catch(() => undefined)
  if (fd === undefined) return undefined
  const hash = createHash('sha256').update(role).digest().readUIntBE(0, 5)
  if (target.native.lockByte(fd, LOCKS_START + BigInt(hash)) !== 'held') return fd
  await closeQuietly(fd)
  throw claimed(target.device, role, 'another process, perhaps in another container')
}

function heldBy(
  device: string,
  role: string,
  greeting: Greeting | undefined,
): BlockError<'BLOCK_CLAIMED'> {
  if (greeting === undefined) return claimed(device, role, 'another process')
  const { holder, pid, host, since } = greeting
  const { message } = claimed(device, role, `${holder} (process ${pid} on ${host}, since ${since})`)
  return new BlockError('BLOCK_CLAIMED', message, { device, holder })
}
