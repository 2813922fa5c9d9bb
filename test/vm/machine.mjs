// A virtual machine whose disk is recorded: a Debian kernel, with Node as the only program, under qemu.
import { execFile, execFileSync } from 'node:child_process'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findKernel, KERNEL_PACKAGE } from './kernel.mjs'
import { DISK_SECTORS, SECTOR } from './marks.mjs'

const run = promisify(execFile)

const QEMU = 'qemu-system-x86_64'
/** Programs, and the Debian packages that have them. */
const PROGRAMS = { [QEMU]: 'qemu-system-x86', busybox: 'busybox-static' }
/** Starting the machine takes seconds; on a very busy one it may take minutes. */
const START_MS = 120_000
/** Flushes are recorded; the files themselves need none. */
const CACHE = 'cache.no-flush=on'

/** Why there can be no machine here, or undefined if there can. */
export function machineProblem() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return `the machine runs the Node of 64-bit Linux on x86, not of ${process.platform} ${process.arch}`
  }
  const missing = Object.entries(PROGRAMS).filter(([program]) => !isThere(program))
  if (missing.length > 0) {
    return missing
      .map(([program, name]) => `${program} (Debian package ${name}) is missing`)
      .join(', ')
  }
  if (findKernel() !== undefined) return undefined
  return `the kernel (Debian package ${KERNEL_PACKAGE}) is missing: node test/vm/powercut.mjs --prepare`
}

function isThere(program) {
  try {
    execFileSync(program, ['--help'], { stdio: 'ignore' })
    return true
  } catch (error) {
    return error.code !== 'ENOENT'
  }
}

/**
 * Runs the program in a new machine until it has done its work. Answers what it said, and the path of the record of
 * its disk.
 */
export async function runMachine(folder, archive, settings, signal) {
  const { format, items, seconds, seed } = settings
  const disk = join(folder, `disk-${format}`)
  const record = join(folder, `record-${format}`)
  for (const file of [disk, record]) writeFileSync(file, '')
  truncateSync(disk, DISK_SECTORS * SECTOR)
  const environment = `FORMAT=${format} ITEMS=${items} SECONDS=${seconds} SEED=${seed}`
  const file = (name, path) => ['-blockdev', `file,node-name=${name},filename=${path},${CACHE}`]
  const recorded = 'blklogwrites,node-name=recorded,file=medium,log=record'
  const { stdout } = await run(
    QEMU,
    [
      ...['-accel', 'tcg', '-m', '512', '-nodefaults', '-no-user-config', '-no-reboot'],
      ...['-display', 'none', '-serial', 'stdio'],
      ...['-kernel', findKernel().image, '-initrd', archive],
      ...['-append', `console=ttyS0 quiet panic=-1 ${environment}`],
      ...file('medium', disk),
      ...file('record', record),
      ...['-blockdev', `${recorded},log-sector-size=${SECTOR}`],
      ...['-device', 'virtio-blk-pci,drive=recorded'],
    ],
    { timeout: START_MS + seconds * 1000, killSignal: 'SIGKILL', signal },
  )
  const said = /^machine: (.*)$/m.exec(stdout)?.[1]
  if (said === undefined) throw new Error(`the machine failed:\n${stdout}`)
  return { ...JSON.parse(said), record }
}
