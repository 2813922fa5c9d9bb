// What the lab needs of Debian.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from '../run.mjs'

const INSTALL_MS = 600_000

/** Programs, and the packages that have them. */
const PROGRAMS = {
  'ceph-mon': 'ceph-mon',
  'ceph-osd': 'ceph-osd',
  ceph: 'ceph-common',
  'qemu-nbd': 'qemu-utils',
  ip: 'iproute2',
}
/** qemu's driver for RBD is a file of its own; the folder has the name of the processor. */
const DRIVER = { file: 'qemu/block-rbd.so', package: 'qemu-block-extra' }
const FOLDERS = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu']

/** Installs the packages that are missing; answers their names. */
export async function installMissing(signal) {
  const missing = missingPackages()
  if (missing.length === 0) return missing
  process.env.DEBIAN_FRONTEND = 'noninteractive'
  const options = { timeoutMs: INSTALL_MS, signal }
  await run('apt-get', ['update', '-qq'], options)
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], options)
  return missing
}

/** Why there can be no cluster here yet, or undefined if there can. */
export function labProblem() {
  if (process.getuid?.() !== 0) return 'it makes network namespaces, which takes root'
  const missing = missingPackages()
  return missing.length === 0 ? undefined : `Debian packages are missing: ${missing.join(' ')}`
}

function missingPackages() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const isThere = (program) => folders.some((folder) => existsSync(join(folder, program)))
  const missing = Object.keys(PROGRAMS).filter((program) => !isThere(program))
  const hasDriver = FOLDERS.some((folder) => existsSync(join(folder, DRIVER.file)))
  return [...missing.map((program) => PROGRAMS[program]), ...(hasDriver ? [] : [DRIVER.package])]
}
