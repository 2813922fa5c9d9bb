// Debian's kernel for virtual machines, kept unpacked out of the way of git. It is not installed, so it needs no root.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const KERNEL_PACKAGE = 'linux-image-cloud-amd64'

const cache = fileURLToPath(new URL('../../node_modules/.cache/powercut/', import.meta.url))
const unpacked = join(cache, 'kernel')

/** What the machine loads to have a disk, in this order. */
const MODULES = [
  'virtio/virtio_ring',
  'virtio/virtio',
  'virtio/virtio_pci_legacy_dev',
  'virtio/virtio_pci_modern_dev',
  'virtio/virtio_pci',
  'block/virtio_blk',
]

/** Paths of the kernel and of its modules, or undefined if it was not downloaded yet. */
export function findKernel() {
  if (!existsSync(unpacked)) return undefined
  const image = readdirSync(join(unpacked, 'boot')).find((name) => name.startsWith('vmlinuz-'))
  const release = image.slice('vmlinuz-'.length)
  const drivers = join(unpacked, 'lib/modules', release, 'kernel/drivers')
  return {
    image: join(unpacked, 'boot', image),
    modules: MODULES.map((name) => join(drivers, `${name}.ko`)),
  }
}

/** Downloads the kernel with apt and unpacks it, if it is not there. As root it brings apt's lists up to date first. */
export function downloadKernel() {
  if (existsSync(unpacked)) return
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'download-'))
  try {
    const run = (command, ...args) =>
      execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
    if (process.getuid() === 0) run('apt-get', 'update', '--quiet')
    // The package itself is empty: it depends on the one of the newest version.
    const depends = run('apt-cache', 'depends', '--important', KERNEL_PACKAGE)
    const [, versioned] = /Depends: (linux-image-\S+)/.exec(depends) ?? []
    if (versioned === undefined) throw new Error(`apt knows no ${KERNEL_PACKAGE}`)
    run('apt-get', 'download', versioned)
    const [archive] = readdirSync(folder)
    run('dpkg-deb', '--extract', archive, 'kernel')
    renameSync(join(folder, 'kernel'), unpacked)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
