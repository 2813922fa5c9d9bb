// Contestants: one file each in ../contestants. A file exports by default
//   title, short   what tables call it
//   kind           'limit' for the device itself, of which the others are shown as a share; 'ring'; or else another queue
//   engine         of a ring, how it waits for the disk
//   needs, program a package of this folder and a program on the path, without which it is left out
//   problem()      why it cannot be measured here, or undefined
//   sharedByProcesses  true if two processes can work on one store
//   create(folder, use) prepares a store, if `open` does not by itself, for 'throughput', 'latency' or 'traced'
//   open(folder, role) answers a store; the role is 'both', or 'sender' or 'receiver' for one of two processes
// and a store has
//   push(item), pushMany(items), take(count)  durable when they resolve; take answers how many there were
//   clear()        takes what is left
//   receive(onItem) takes for ever, if it is shared by processes
//   figure(columnId, ms), commit(count), pace(pauses) instead of all these, for what is no queue: { rate }, items a
//                  second; so many durable writes; the microseconds of each of some, with pauses in between
//   close()
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'

const folder = new URL('../contestants/', import.meta.url)
const { resolve } = createRequire(import.meta.url)
/** The order of the table; others follow. */
const FIRST = ['device-fio', 'device-probe', 'format-2', 'format-2-sync']

/** Names of all contestants, in the order of the table. */
export function contestantIds() {
  const ids = readdirSync(folder).map((name) => name.replace(/\.mjs$/, ''))
  const place = (id) => (FIRST.includes(id) ? FIRST.indexOf(id) : FIRST.length)
  return ids.sort((a, b) => place(a) - place(b) || (a.startsWith('format') ? -1 : 0))
}

export async function loadContestant(id) {
  const { default: contestant } = await import(`${folder}${id}.mjs`)
  return { id, ...contestant }
}

/** Why a contestant cannot be measured here, or undefined. */
export async function problemOf({ needs, program, problem }) {
  if (needs !== undefined && !isInstalled(needs)) return `${needs} is not installed`
  if (program !== undefined && !isProgram(program)) return `there is no ${program}`
  return problem?.()
}

function isInstalled(name) {
  try {
    resolve(name)
    return true
  } catch {
    return false
  }
}

export function isProgram(name) {
  return (process.env.PATH ?? '').split(delimiter).some((path) => existsSync(join(path, name)))
}
