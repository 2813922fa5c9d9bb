// Whether dist/ is what the sources say: scripts build only if it is not, and tests of what is built refuse to run then.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
export const dist = join(root, 'dist')

/** What is left beside dist/ when a build is done: the names of its sources, and whether it has source maps. */
export const stamp = join(root, '.build/built.json')

/** What else the output depends on. */
const SETTINGS = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/build.mjs',
  'scripts/man.mjs',
]

/** All that a build is made from, as paths within the repository. */
export function sources() {
  const modules = readdirSync(join(root, 'src'), { recursive: true })
    .filter((name) => /\.(ts|css|html)$/.test(name))
    .map((name) => `src/${name.replaceAll('\\', '/')}`)
  return [...modules.sort(), ...SETTINGS]
}

/** Why dist/ has to be built; undefined if it is as new as all that it is made from. */
export function whyBuild() {
  let built
  try {
    built = JSON.parse(readFileSync(stamp, 'utf8'))
    statSync(join(dist, 'index.js'))
  } catch {
    return 'it has not been built'
  }
  const paths = sources()
  const gone = built.sources.find((path) => !paths.includes(path))
  if (gone !== undefined) return `${gone} is gone`
  const builtMs = statSync(stamp).mtimeMs
  const newer = paths.find(
    (path) => !built.sources.includes(path) || statSync(join(root, path)).mtimeMs >= builtMs,
  )
  return newer && `${newer} is newer`
}
