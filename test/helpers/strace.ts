import { execFileSync } from 'node:child_process'

/** Why strace cannot be used here, or undefined if it can. */
export function straceProblem(): string | undefined {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'pipe' })
    return undefined
  } catch {
    return 'strace (Debian package strace) does not work'
  }
}
