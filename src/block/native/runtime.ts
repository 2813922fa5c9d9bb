import { hostname } from 'node:os'

/** Facts that Deno reveals only with a permission (`--allow-sys`); it would prompt the user for a missing one. */
type SystemFact = 'hostname' | 'uid' | 'gid'

/** The part of the global `Deno` that is used here. */
interface Deno {
  readonly permissions: {
    querySync(what: { name: 'sys'; kind: SystemFact }): { readonly state: string }
  }
}

const deno = Reflect.get(globalThis, 'Deno') as Deno | undefined

/**
 * Deno's `readv` and `writev` copy through memory that begins at any address, which direct I/O refuses. Its `read` and
 * `write` transfer the caller's memory.
 */
export const COPIES_VECTORS: boolean = deno !== undefined

/** This host's name, if the runtime permits access to it. */
export function hostName(): string {
  return isPermitted('hostname') ? hostname() : 'an unnamed host'
}

/** The user and the groups of this process; undefined where there are none, or the runtime does not reveal them. */
export function ownUser():
  | { readonly uid: number; readonly groups: readonly number[] }
  | undefined {
  const { geteuid, getegid, getgroups } = process
  if (!geteuid || !getegid || !getgroups || !isPermitted('uid') || !isPermitted('gid'))
    return undefined
  return { uid: geteuid(), groups: [getegid(), ...getgroups()] }
}

function isPermitted(kind: SystemFact): boolean {
  return deno === undefined || deno.permissions.querySync({ name: 'sys', kind }).state === 'granted'
}
