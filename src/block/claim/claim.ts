import { fstatSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { BlockError } from '../../errors.ts'
import type { AskOptions, BlockClaim, BlockHolder, ClaimOptions } from '../device.ts'
import type { Native } from '../native/calls.ts'
import { closeQuietly } from '../native/close.ts'
import { ioError, systemCode } from '../native/errors.ts'
import { ownUser } from '../native/runtime.ts'
import { claimedError } from '../validate.ts'
import { placeOfRole } from '../wrap/role-below.ts'
import { type ClaimAddress, claimAddress, type Spelling } from './address.ts'
import { connectForHints, converse, type Occupant } from './client.ts'
import { publishObstruction, publishStranger } from './events.ts'
import { ClaimHints } from './hints.ts'
import { isListening } from './listening.ts'
import { isRoleLocked, type Lock, lockRole } from './lock.ts'
import { cannotWrite, isForeign } from './permission.ts'
import { ClaimServer } from './server.ts'

// Claims of a role on one machine. A lock on the file excludes every process that has the file open, in all
// containers, but needs `koffi`, and two nodes of one raw device have separate locks. The name of an abstract socket,
// in two spellings, excludes processes in one network namespace, and also receives requests.
// Invariants:
// - The lock comes first, then the names. Without the lock no occupied name is ignored, because its occupant may be a
// holder without a lock.
// - With the lock, a name is ignored only if its occupant cannot be a holder: it may not write to the file, or it
// sent what no holder sends.
// - If neither the lock nor all names can be had, the role is refused, except with `claims: 'best-effort'`.

/** The most times that a holder may vanish while it is asked to identify itself. */
const MAX_ATTEMPTS = 5

/** Identities that `keysBelow` makes: of a file or disk, or of a part of it. */
const STORED = /^((?:file|block)-[^@]+)(?:@(\d+))?$/

const ELSEWHERE = 'another process, perhaps in another container'

/** The device whose role is claimed. */
export interface ClaimTarget {
  /** For messages. */
  readonly device: string
  /** The same for every name and handle of the device. */
  readonly identity: string
  /** Identities of storage that the device covers from its start: a loop device's file. */
  readonly aliases?: readonly string[]
  /** Undefined: there is no file that could be locked. */
  readonly file: ClaimedFile | undefined
  /** True to grant the role even if other programs might not notice the claim. */
  readonly bestEffort: boolean
  readonly platform?: NodeJS.Platform
  readonly spelling?: Spelling
  /** The kernel's list of names with listeners. */
  readonly names?: string
}

/** The file behind a {@link ClaimTarget}. */
export interface ClaimedFile {
  readonly fd: number
  /** A raw device, which may have several nodes. */
  readonly raw: boolean
  readonly writable: boolean
  readonly native: Native | undefined
}

/**
 * Takes a role.
 * @throws {BlockError} `BLOCK_CLAIMED`; `BLOCK_UNSUPPORTED` if nothing would exclude other programs; `BLOCK_IO`
 */
export async function acquireClaim(
  target: ClaimTarget,
  role: string,
  options: ClaimOptions,
): Promise<BlockClaim> {
  const lock = await lockFor(target, role)
  if (lock.kind === 'taken')
    throw heldBy(target.device, role, await findHolder(target, role, options))
  if (lock.kind === 'obstructed') publishObstruction(target.device, role)
  const lockFd = lock.kind === 'held' ? lock.fd : undefined
  const servers: ClaimServer[] = []
  const hints = hintsFor(target, role, options)
  const release = async (): Promise<void> => {
    hints?.close()
    await Promise.all(servers.map((server) => server.close()))
    await closeQuietly(lockFd)
  }
  try {
    for (const known of withAliases(target)) {
      const server = new ClaimServer(nameOf(known, role), options, { hints })
      servers.push(server)
      await takeNames({ target: known, role, options, server, lock })
    }
    return { release, ...(hints && { hints }) }
  } catch (error) {
    await release()
    throw error
  }
}

function hintsFor(
  target: ClaimTarget,
  role: string,
  { onHint, peer, key }: ClaimOptions,
): ClaimHints | undefined {
  if (onHint === undefined) return undefined
  if (peer === undefined) return new ClaimHints(onHint)
  const call = (): Promise<Socket | undefined> => connectTo(target, peer, key)
  return new ClaimHints(onHint, { call, yields: role < peer })
}

/** Connects to a role's holder on this machine for hints. */
async function connectTo(
  target: ClaimTarget,
  role: string,
  readKey: AskOptions['key'],
): Promise<Socket | undefined> {
  for (const known of withAliases(target)) {
    for (const path of addressOf(known, role).paths) {
      const socket = await connectForHints(path, { name: nameOf(known, role), readKey })
      if (socket !== undefined) return socket
    }
  }
  return undefined
}

/** Sends a request to the role's holder on this machine. */
export async function askHolder(
  target: ClaimTarget,
  role: string,
  request: string,
  { key }: AskOptions,
): Promise<string | undefined> {
  for await (const { known, occupant } of occupants(target, role, key, request)) {
    if (isHolder(known, occupant)) return occupant.answer
  }
  return undefined
}

/** The holder of a role, as far as names and locks show. */
export async function findHolder(
  target: ClaimTarget,
  role: string,
  { key }: AskOptions,
): Promise<BlockHolder | undefined> {
  let silent: BlockHolder | undefined
  for await (const { known, occupant } of occupants(target, role, key)) {
    if (isHolder(known, occupant)) return occupant.greeting
    // The process that takes the role is refused because of this one.
    const mayHold = occupant.kind === 'silent' && whyNoHolder(known, occupant) === undefined
    if (mayHold) silent ??= unnamed(occupant)
  }
  if (silent !== undefined) return silent
  const locked = target.file !== undefined && isRoleLocked(target.file, role)
  return locked ? { holder: ELSEWHERE } : undefined
}

/** The occupant of each name of a role, asked one after the other while the caller iterates. */
async function* occupants(
  target: ClaimTarget,
  role: string,
  key: AskOptions['key'],
  request?: string,
): AsyncGenerator<{ readonly known: ClaimTarget; readonly occupant: Occupant }> {
  for (const known of withAliases(target)) {
    for (const path of reachable(known, role)) {
      yield { known, occupant: await talk(known, role, path, key, request) }
    }
  }
}

/** The target under each of its identities. */
function withAliases(target: ClaimTarget): readonly ClaimTarget[] {
  return [target, ...(target.aliases ?? []).map((identity) => ({ ...target, identity }))]
}

/** The process that listens at a name. */
type Present = Exclude<Occupant, { kind: 'absent' }>

interface Taking {
  readonly target: ClaimTarget
  readonly role: string
  readonly options: ClaimOptions
  readonly server: ClaimServer
  readonly lock: Lock
}

async function lockFor({ file }: ClaimTarget, role: string): Promise<Lock> {
  return file === undefined ? { kind: 'none' } : await lockRole(file, role)
}

/**
 * Each claimant first listens, then checks the names that it cannot listen at: of two claimants, at least one sees the
 * other.
 */
async function takeNames(taking: Taking): Promise<void> {
  const { target, role, lock } = taking
  const address = addressOf(target, role)
  if (lock.kind !== 'held') checkRespected(target, role)
  for (const path of address.paths) await takeName(taking, path, address)
  for (const name of address.unspellable) await checkUnspellable(taking, name)
}

async function takeName(taking: Taking, path: string, { stale }: ClaimAddress): Promise<void> {
  const { target, role, server, options } = taking
  for (let attempt = 1; ; attempt++) {
    try {
      return await server.listen(path)
    } catch (cause) {
      if (systemCode(cause) !== 'EADDRINUSE') {
        throw ioError({ device: target.device, operation: `claim the ${role} role of` }, cause)
      }
    }
    const occupant = await talk(target, role, path, options.key)
    if (occupant.kind !== 'absent') return passOver(taking, occupant)
    if (attempt === MAX_ATTEMPTS) return passOver(taking, { kind: 'stranger', peer: undefined })
    // Two processes that do this at the same moment could both get the role; there is no portable way to prevent it.
    if (stale) await unlink(path).catch(() => undefined)
  }
}

/** Checks for a listener at a name that this runtime cannot take. */
async function checkUnspellable(taking: Taking, name: string): Promise<void> {
  const { target, role, options, lock } = taking
  if (target.file?.native !== undefined) {
    const occupant = await talk(target, role, name, options.key)
    if (occupant.kind !== 'absent') passOver(taking, occupant)
    return
  }
  const listening = await isListening(name, target.names)
  if (listening === true) passOver(taking, { kind: 'silent', peer: undefined })
  if (listening === undefined && lock.kind !== 'held' && !target.bestEffort) {
    throw unprotected(target, role, 'the names of other runtimes cannot be checked')
  }
}

/**
 * Ignores the occupant of a name if it certainly is not a holder.
 * @throws {BlockError} `BLOCK_CLAIMED`
 */
function passOver({ target, role, lock }: Taking, occupant: Present): void {
  const { device } = target
  const excluded = lock.kind === 'held' ? whyNoHolder(target, occupant) : undefined
  if (excluded === undefined) {
    throw heldBy(device, role, occupant.kind === 'holder' ? occupant.greeting : unnamed(occupant))
  }
  publishStranger({ device, role, reason: excluded, peer: occupant.peer })
}

/** True if it has read the device, and nothing shows that it is not a holder. */
function isHolder(
  target: ClaimTarget,
  occupant: Occupant,
): occupant is Extract<Occupant, { kind: 'holder' }> {
  return occupant.kind === 'holder' && whyNoHolder(target, occupant) === undefined
}

/** The reason why the occupant of a name, which does not have the lock, is not a holder; undefined if it may be one. */
function whyNoHolder({ file }: ClaimTarget, { kind, peer }: Present): string | undefined {
  if (kind === 'stranger') return 'it does not follow the protocol of a holder'
  if (file?.native === undefined || peer === undefined || isForeign(peer.uid)) return undefined
  // Another node of a raw device may have another mode: an occupant that has read the device is a holder there.
  if (kind === 'holder' && file.raw) return undefined
  const access = { ...fstatSync(file.fd), hasAcl: file.native.hasAcl(file.fd) }
  return cannotWrite(peer, access) ? 'its user cannot write to the device' : undefined
}

/**
 * A claimant that cannot write to the file needs the lock, because other claimants would ignore its name.
 * @throws {BlockError} `BLOCK_UNSUPPORTED`
 */
function checkRespected(target: ClaimTarget, role: string): void {
  const { file, bestEffort, platform } = target
  if (file === undefined || file.raw || bestEffort || !file.writable) return
  const user = ownUser()
  if ((platform ?? process.platform) !== 'linux' || user === undefined) return
  const access = { ...fstatSync(file.fd), hasAcl: false }
  if (!cannotWrite({ pid: process.pid, ...user }, access)) return
  throw unprotected(target, role, 'other claimants ignore the claim of a user without write access')
}

function talk(
  target: ClaimTarget,
  role: string,
  path: string,
  readKey: AskOptions['key'],
  request?: string,
): Promise<Occupant> {
  const native = target.file?.native
  return converse(path, { name: nameOf(target, role), readKey, request, native })
}

/** The names at which this runtime can ask. */
function reachable(target: ClaimTarget, role: string): readonly string[] {
  const { paths, unspellable } = addressOf(target, role)
  return target.file?.native === undefined ? paths : [...paths, ...unspellable]
}

function addressOf(target: ClaimTarget, role: string): ClaimAddress {
  const [identity, name] = partOf(target, role)
  return claimAddress(identity, name, target.platform, target.spelling)
}

/** The name that identifies device and role for both sides, in any spelling of the socket's name. */
function nameOf(target: ClaimTarget, role: string): string {
  return partOf(target, role).join('/')
}

/**
 * The identity of the part of a device that has a role, and the role. A part of a file or disk is `identity@byte`, like
 * a partition that the system has created there.
 */
function partOf({ identity }: ClaimTarget, role: string): readonly [string, string] {
  const [, whole, start = '0'] = STORED.exec(identity) ?? []
  const { name, startBytes } = placeOfRole(role)
  if (whole === undefined || startBytes === 0) return [identity, role]
  return [`${whole}@${Number(start) + startBytes}`, name]
}

function unnamed({ peer }: Pick<Present, 'peer'>): BlockHolder {
  if (peer === undefined) return { holder: 'another process' }
  return { holder: `process ${peer.pid} of user ${peer.uid}, which does not answer` }
}

function heldBy(
  device: string,
  role: string,
  found: BlockHolder = { holder: ELSEWHERE },
): BlockError<'BLOCK_CLAIMED'> {
  const { holder, pid, host, since } = found
  if (pid === undefined) return claimedError(device, role, holder)
  const { message } = claimedError(
    device,
    role,
    `${holder} (process ${pid} on ${host}, since ${since})`,
  )
  return new BlockError('BLOCK_CLAIMED', message, { device, holder })
}

/** The error for a role that other programs could take too. */
function unprotected(
  { device, file }: ClaimTarget,
  role: string,
  reason: string,
): BlockError<'BLOCK_UNSUPPORTED'> {
  const advice =
    file === undefined ? 'run Node 22 or later' : 'npm install koffi, which provides the lock'
  const message =
    `the ${role} role of ${device} cannot be protected from other programs here: there is no lock, and ${reason}; ${advice}, or open ` +
    "it with claims: 'best-effort' if no other program takes the role"
  return new BlockError('BLOCK_UNSUPPORTED', message, { device })
}
