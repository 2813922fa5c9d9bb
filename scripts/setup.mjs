// Makes a fresh clone ready: installs what the lock file names when it is not there yet, then builds; with --clean, from
// nothing, so that a package has no file whose source is gone. `npm pack` and `npm publish` run it (prepack).
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const installed = `${root}node_modules/.package-lock.json`

/** No script of a dependency runs; and what npm tells us as it packs (--dry-run, --omit) is not meant for the build. */
const INSTALL = [
  'ci',
  '--ignore-scripts',
  '--include=dev',
  '--dry-run=false',
  '--no-audit',
  '--no-fund',
]

function run(command, args) {
  const { status } = spawnSync(command, args, {
    cwd: root,
    // Standard output belongs to what was asked for: `npm pack --json` prints there.
    stdio: ['inherit', process.stderr, 'inherit'],
    shell: process.platform === 'win32',
  })
  if (status !== 0) process.exit(status ?? 1)
}

const fresh =
  existsSync(installed) &&
  statSync(installed).mtimeMs >= statSync(`${root}package-lock.json`).mtimeMs
if (!fresh) run('npm', INSTALL)
if (process.argv.includes('--clean')) rmSync(`${root}dist`, { recursive: true, force: true })
run(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', 'tsconfig.build.json'])
