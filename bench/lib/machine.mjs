import { readFileSync, realpathSync } from 'node:fs'
import { cpus, release } from 'node:os'

/** What was measured on: figures of other machines are no comparison. */
export function machineOf(folder) {
  const [cpu] = cpus()
  return {
    node: process.versions.node,
    system: `${process.platform} ${release()}`,
    cpus: `${cpus().length} x ${cpu?.model ?? 'unknown'}`,
    fileSystem: fileSystemOf(folder),
  }
}

/** The same as a sentence. */
export function machineText({ node, system, cpus: processors, fileSystem }) {
  return `Node ${node}, ${system}, ${processors}, ${fileSystem}.`
}

/** Its type, as Linux mounted it. */
function fileSystemOf(folder) {
  try {
    const path = realpathSync(folder)
    const mounts = readFileSync('/proc/self/mounts', 'utf8').trim().split('\n')
    const holding = mounts
      .map((line) => line.split(' '))
      .filter(([, at]) => at === '/' || path === at || path.startsWith(`${at}/`))
    return holding.sort(([, a], [, b]) => b.length - a.length)[0]?.[2] ?? 'unknown'
  } catch {
    return 'unknown'
  }
}
