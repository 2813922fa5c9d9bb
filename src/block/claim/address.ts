import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * A socket's name has at most 108 bytes on Linux, 104 elsewhere, with the final zero; and the kernel lists names in
 * lines.
 */
const SHORT_NAME = /^[\x21-\x7e]{1,100}$/

/**
 * The longest name on Linux. Some runtimes pad a name to this length with zeroes, which makes another name for the
 * kernel.
 */
const PADDED_BYTES = 108

/** The address at which the holder of a role listens. */
export interface ClaimAddress {
  /** The names at which this runtime can listen, and connect. */
  readonly paths: readonly string[]
  /** The same names as other runtimes spell them, and this one cannot. */
  readonly unspellable: readonly string[]
  /** The name outlives its process, so the caller has to check whether that process is alive. */
  readonly stale: boolean
}

/** A runtime's spelling of an abstract socket's name. */
export type Spelling = 'plain' | 'padded' | 'both'

/**
 * Node 20 pads each name that it is given. Bun refuses names of 108 bytes. Node 22 and later and Deno take a name as it
 * is, so that they can use both.
 */
export function spellingOf(versions: Readonly<Record<string, string | undefined>>): Spelling {
  if (versions['bun'] !== undefined) return 'plain'
  if (versions['deno'] !== undefined) return 'both'
  return Number.parseInt(versions['node'] ?? '', 10) < 22 ? 'padded' : 'both'
}

/**
 * The address of a role of a device. It is the same for every process that means this device and role, and only one of
 * them can listen there.
 *
 * Linux: an abstract socket, which the kernel removes with the process, in a name space of each network namespace.
 * Windows: a named pipe, likewise. Elsewhere: a socket file in the directory for temporary files, of which some systems
 * have one per user.
 */
export function claimAddress(
  identity: string,
  role: string,
  platform: NodeJS.Platform = process.platform,
  spelling: Spelling = spellingOf(process.versions),
): ClaimAddress {
  if (platform === 'linux') return abstractAddress(`\0${bounded(identity, role)}`, spelling)
  const path =
    platform === 'win32'
      ? `\\\\.\\pipe\\${bounded(identity, role).replaceAll(/[/:]/g, '-')}`
      : join(tmpdir(), `sbr-${digest(`${identity}/${role}`)}.sock`)
  return { paths: [path], unspellable: [], stale: platform !== 'win32' }
}

function abstractAddress(plain: string, spelling: Spelling): ClaimAddress {
  const padded = plain.padEnd(PADDED_BYTES, '\0')
  if (spelling === 'both') return { paths: [plain, padded], unspellable: [], stale: false }
  return spelling === 'plain'
    ? { paths: [plain], unspellable: [padded], stale: false }
    : { paths: [padded], unspellable: [plain], stale: false }
}

function bounded(identity: string, role: string): string {
  const name = `shared-block-ring/${identity}/${role}`
  return SHORT_NAME.test(name) ? name : `shared-block-ring/${digest(`${identity}/${role}`)}`
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
