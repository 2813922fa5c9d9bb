// Builds dist/: tsc compiles and checks, then rollup makes one file of each way into the package (`exports` and `bin` in
// package.json), and a few of what these share; the same for the declarations.
//   --clean    from nothing
//   --package  as it is published: without source maps, because src/ is not published either
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { rollup } from 'rollup'
import { dts } from 'rollup-plugin-dts'
import { dist, root, sources, stamp } from './built.mjs'
import { manualPage } from './man.mjs'

const compiled = join(root, '.build')
const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Left as they are: what is installed beside the package. */
const external = [
  /^node:/,
  ...Object.keys(packageJson.dependencies),
  ...Object.keys(packageJson.optionalDependencies),
]

/** What programs can import, and what shells run: paths in src/ without an ending. */
const subpaths = Object.values(packageJson.exports).flatMap((entry) => entry.default ?? [])
const [libraries, programs] = [subpaths, [packageJson.bin.sbr]].map((paths) =>
  paths.map((path) => path.replace(/^(\.\/)?dist\//, '').replace(/\.js$/, '')),
)

/**
 * What ways in share; a module goes where it fits first, and one that fits nowhere goes with its way in. What is loaded when it is
 * needed has a file of its own, and so does what only some ways in need.
 */
const SHARED = [
  [
    'devices',
    /^(errors|position|clock|util\/.*|checksum\/.*|block\/((?!index$)[^/]+|wrap\/(?!salvage$).*))$/,
  ],
  // What a page needs that has a worker with the ring.
  [
    'devices',
    /^(codec\/(codec|bytes)|ring\/(new-ring-kinds|queue\/queue-limits|format1\/magic|format2\/position|shared\/(single-item|own-items|item-limits|position-text)))$/,
  ],
  ['format1', /^ring\/format1\/(?!magic$|layout$|pointer$)/],
  [
    'creation',
    /^ring\/(format1\/(layout|pointer)|format2\/(create|recover|disk\/(describe-ring|directory(-copies)?|disk-errors|superblock-errors|correct-table)|log\/(diagnose|loss-errors|replay|commit-boundary))|access\/(create|inspect)|queue\/(ensure-ring|await-ring|await-state|suspend|lazy-acknowledgements)|shared\/role-errors|report\/(signatures|finding|dump|repair))$/,
  ],
  [
    'leases',
    /^(pool\/lease|ring\/access\/lease-places|ring\/format2\/(lease\/(?!block$)|disk\/lease-block$))/,
  ],
  ['pool', /^pool\//],
  [
    'tools',
    /^(block\/wrap\/salvage$|ring\/(maintenance\/|format2\/check\/|access\/(lease|readable-part)$|report\/unreadable$))/,
  ],
  [
    'envelope',
    /^(codec\/(after|envelope|wrapped|dead-letter)|ring\/queue\/process\/handler-verdict)$/,
  ],
  ['process', /^(tasks\/|ring\/queue\/process\/(?!work-error$))/],
  ['ring', /^ring\//],
  ['metrics', /^metrics\/(?!index$)/],
  ['claims', /^(block\/(native|claim)\/|block\/nbd\/(uri|protocol|claim)$|hosts\/(run-)?command$)/],
  ['file', /^block\/file\//],
  ['ops', /^block\/ops\//],
  ['journal', /^journal\//],
  ['picture', /^(picture\/|cli\/commands\/(draw|serve|top)$)/],
  ['more-commands', /^cli\/commands\/(?!(create|produce|consume|suspend|resume|diagnostics)$)/],
  ['command-line', /^(text\/|cli\/(?!main$|version$))/],
]

/** Of these, what only one way in declares. */
const OF_ONE = ['file', 'ops', 'journal', 'metrics', 'pool']

function sharedBy(id) {
  const path = relative(compiled, id)
    .replaceAll('\\', '/')
    .replace(/(\.d)?\.[jt]s$/, '')
  return id.includes('tslib') ? 'devices' : SHARED.find(([, paths]) => paths.test(path))?.[0]
}

function compile() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['-p', join(root, 'tsconfig.build.json')]
  const { status } = spawnSync(process.execPath, [tsc, ...options], {
    stdio: ['ignore', process.stderr, 'inherit'],
  })
  if (status !== 0) process.exit(status ?? 1)
}

/** The helpers that compiled code calls are in the package; and maps lead through what tsc wrote to the sources. */
const compiledCode = {
  name: 'compiled-code',
  resolveId: (id) =>
    id === 'tslib' ? fileURLToPath(import.meta.resolve('tslib/tslib.es6.mjs')) : null,
  load: (id) =>
    id.startsWith(compiled)
      ? { code: readFileSync(id, 'utf8'), map: readFileSync(`${id}.map`, 'utf8') }
      : null,
}

async function bundle(waysIn, ending, plugins, output) {
  const bundled = await rollup({
    input: Object.fromEntries(waysIn.map((name) => [name, join(compiled, name + ending)])),
    external,
    plugins,
    treeshake: { moduleSideEffects: false },
    onLog(level, log) {
      // A file that imports itself by a detour, a name that no module exports: none of that may be published.
      // The plugin for declarations warns of types that ways in use and do not export, which is meant.
      if (level === 'warn' && log.plugin !== 'dts') throw new Error(log.message)
    },
  })
  const written = await bundled.write({
    dir: dist,
    format: 'es',
    onlyExplicitManualChunks: true,
    hoistTransitiveImports: false,
    manualChunks: sharedBy,
    entryFileNames: '[name].js',
    chunkFileNames: 'shared/[name].js',
    ...output,
  })
  return written.output.map(({ fileName }) => join(dist, fileName))
}

/** The page of `sbr serve` as one file: with a strict content security policy, all of it is loaded with the page. */
async function bundledPage() {
  const folder = join(root, 'src/picture/page')
  const bundled = await rolldown({ input: join(folder, 'main.ts'), platform: 'browser' })
  const { output } = await bundled.generate({ format: 'es', minify: true })
  const { COLOURS, MAP_STYLE } = await import(join(compiled, 'picture/map/style.js'))
  const style = COLOURS + MAP_STYLE + readFileSync(join(folder, 'page.css'), 'utf8')
  return readFileSync(join(folder, 'page.html'), 'utf8')
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace(/(<script [^>]*>)/, (tag) => tag + output[0].code)
}

const clean = process.argv.includes('--clean')
const maps = !process.argv.includes('--package')
if (clean) for (const path of [compiled, dist]) rmSync(path, { recursive: true, force: true })
rmSync(stamp, { force: true })
const made = sources()
compile()
const written = await Promise.all([
  bundle([...libraries, ...programs], '.js', [compiledCode], {
    sourcemap: maps,
    sourcemapExcludeSources: true,
  }),
  bundle(libraries, '.d.ts', [dts()], {
    entryFileNames: '[name].d.ts',
    chunkFileNames: 'shared/[name].d.ts',
    // Programs need not have it among their own libraries.
    banner: '/// <reference lib="esnext.disposable" />',
    manualChunks(id) {
      const shared = sharedBy(id)
      return shared === undefined || OF_ONE.includes(shared) ? null : 'types'
    },
  }),
])
const manual = join(dist, 'sbr.1')
writeFileSync(manual, await manualPage(compiled))
const page = join(dist, 'page.html')
writeFileSync(page, await bundledPage())
const wanted = new Set([...written.flat(), manual, page])
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name)
  if (entry.isFile() && !wanted.has(path)) rmSync(path)
}
mkdirSync(compiled, { recursive: true })
writeFileSync(stamp, JSON.stringify({ sources: made }))
