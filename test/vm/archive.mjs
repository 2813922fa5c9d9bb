// What the machine starts from: busybox, Node with its libraries, the kernel's modules, and the program.
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findKernel } from './kernel.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The first process. What it finds in its environment is from the kernel's command line. */
const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
while read module; do /bin/busybox insmod /modules/$module; done </modules/order
/bin/node /app/test/vm/guest.mjs
/bin/busybox poweroff -f
`
/** What the program in the machine consists of. */
const APP = [
  'package.json',
  'dist',
  'test/vm/guest.mjs',
  'test/vm/marks.mjs',
  'test/crash/items.mjs',
]

/** Puts everything that the machine needs into one archive. Answers its path. */
export function buildArchive(folder) {
  const tree = join(folder, 'tree')
  const { modules } = findKernel()
  for (const name of ['bin', 'proc', 'sys', 'dev', 'modules']) {
    mkdirSync(join(tree, name), { recursive: true })
  }
  const busybox = execFileSync('which', ['busybox'], { encoding: 'utf8' }).trim()
  copyFileSync(busybox, join(tree, 'bin/busybox'))
  copyFileSync(process.execPath, join(tree, 'bin/node'))
  for (const library of libraries(process.execPath)) {
    mkdirSync(join(tree, dirname(library)), { recursive: true })
    copyFileSync(library, join(tree, library))
  }
  for (const module of modules) copyFileSync(module, join(tree, 'modules', basename(module)))
  const order = modules.map((module) => `${basename(module)}\n`)
  writeFileSync(join(tree, 'modules/order'), order.join(''))
  for (const path of APP) cpSync(join(root, path), join(tree, 'app', path), { recursive: true })
  writeFileSync(join(tree, 'init'), INIT, { mode: 0o755 })
  const command = 'find . | busybox cpio -o -H newc >../archive'
  execFileSync('sh', ['-c', command], { cwd: tree, stdio: 'ignore' })
  rmSync(tree, { recursive: true })
  return join(folder, 'archive')
}

/** The shared libraries of a program, and what loads them. */
function libraries(program) {
  return execFileSync('ldd', [program], { encoding: 'utf8' }).match(/\/\S+/g)
}
