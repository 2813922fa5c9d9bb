import { execFileSync } from 'node:child_process'
import { rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A raw block device over a file. */
export interface LoopDevice extends Disposable {
  /** `/dev/loop…` */
  readonly path: string
}

/** How to make a {@link LoopDevice}. */
export interface LoopOptions {
  readonly readOnly?: boolean
  /** Logical block size. Default 512. */
  readonly sectorSize?: number
  /** More flags of `losetup`. */
  readonly flags?: readonly string[]
}

function losetup(...args: readonly string[]): string {
  return execFileSync('losetup', args, { encoding: 'utf8', stdio: 'pipe' }).trim()
}

/** Makes a raw block device over a file; disposing of it takes it away. */
export function attachLoop(file: string, options: LoopOptions = {}): LoopDevice {
  const { readOnly = false, sectorSize = 512 } = options
  const flags = ['--sector-size', String(sectorSize), ...(options.flags ?? [])]
  if (readOnly) flags.push('--read-only')
  const path = losetup('--find', '--show', ...flags, file)
  return { path, [Symbol.dispose]: () => void losetup('--detach', path) }
}

/**
 * Makes a partition of a loop device, from a sector on; it goes with the device. It is told to the kernel, not
 * read from a table, which some kernels cannot.
 */
export function addPartition(device: string, startSector: number, sectors: number): string {
  const args = [device, '1', String(startSector), String(sectors)]
  execFileSync('addpart', args, { stdio: 'pipe' })
  return `${device}p1`
}

let problem: { readonly text: string | undefined } | undefined

/** Why there are no loop devices here, or undefined if there are. */
export function loopProblem(): string | undefined {
  problem ??= { text: probe() }
  return problem.text
}

function probe(): string | undefined {
  const file = join(tmpdir(), `sbr-loop-probe-${process.pid}`)
  try {
    writeFileSync(file, '')
    truncateSync(file, 1 << 20)
    attachLoop(file)[Symbol.dispose]()
    return undefined
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim() : String(error)
    return `losetup (Debian package mount, run as root) cannot make a loop device: ${reason}`
  } finally {
    rmSync(file, { force: true })
  }
}
