// Makes a fresh clone ready: installs what the lock file names when it is not there yet, then builds if dist/ is older than what
// it is made from. `npm pack` and `npm publish` run it with --package (prepack): what is published is built from nothing.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { root, whyBuild } from './built.mjs'

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
const forPackage = process.argv.includes('--package')
if (forPackage || whyBuild() !== undefined) {
  run(process.execPath, [
    `${root}scripts/build.mjs`,
    ...(forPackage ? ['--clean', '--package'] : []),
  ])
}
