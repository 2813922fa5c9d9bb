// What the lab needs of Debian.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Programs, and the packages that have them. */
const PROGRAMS = {
  debootstrap: 'debootstrap',
  'systemd-nspawn': 'systemd-container',
  nsenter: 'util-linux',
}

/** Why there can be no machine here, or undefined if there can. `root` takes the place of what debootstrap makes. */
export function labProblem({ root } = {}) {
  if (process.getuid?.() !== 0) return 'it boots a container, which takes root'
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const isThere = (program) => folders.some((folder) => existsSync(join(folder, program)))
  const missing = Object.keys(PROGRAMS)
    .filter((program) => program !== 'debootstrap' || root === undefined)
    .filter((program) => !isThere(program))
  if (missing.length === 0) return
  const names = missing.map((program) => PROGRAMS[program]).join(' ')
  return `Debian packages are missing (apt-get install ${names})`
}
