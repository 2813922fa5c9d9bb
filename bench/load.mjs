// npm run bench:load: how long it takes to load the package: processes that import it or run a command, in turns with ones that do
// nothing, and the medians of what they took more.
import { spawnSync } from 'node:child_process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { quantile } from './lib/result.mjs'

const USAGE = `npm run bench:load [-- OPTIONS]
  --rounds N       how often each is run (default: 41)
  --dist FOLDER    measure another build of the package`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '41' },
    dist: { type: 'string', default: fileURLToPath(new URL('../dist', import.meta.url)) },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) console.log(USAGE)
else measure(pathToFileURL(`${values.dist}/`), Number(values.rounds))

function measure(dist, rounds) {
  const text = (code) => ['--input-type=module', '-e', code]
  const imports = (path) => text(`import ${JSON.stringify(new URL(path, dist).href)}`)
  const command = (...args) => [fileURLToPath(new URL('cli/main.js', dist)), ...args]
  const nothing = fileURLToPath(new URL('load/nothing.mjs', import.meta.url))
  const groups = [
    {
      bare: text(''),
      cases: {
        'import the core': imports('index.js'),
        'import the core and files': text(
          ['index.js', 'block/file/index.js']
            .map((path) => `import ${JSON.stringify(new URL(path, dist).href)}`)
            .join('\n'),
        ),
      },
    },
    {
      bare: [nothing],
      cases: {
        'sbr --version': command('--version'),
        'sbr diagnostics --help': command('diagnostics', '--help'),
        'sbr --help': command('--help'),
      },
    },
  ]
  for (const { bare, cases } of groups) {
    const more = Object.fromEntries(Object.keys(cases).map((name) => [name, []]))
    const alone = []
    for (let round = 0; round < rounds; round++) {
      for (const [name, args] of Object.entries(cases)) {
        const without = took(bare)
        alone.push(without)
        more[name].push(took(args) - without)
      }
    }
    console.log(`bare Node: ${quantile(alone, 0.5).toFixed(1)} ms`)
    for (const [name, samples] of Object.entries(more)) {
      const [low, middle, high] = [0.25, 0.5, 0.75].map((share) =>
        quantile(samples, share).toFixed(1),
      )
      console.log(`  ${name}: ${middle} ms more (half of all: ${low} to ${high})`)
    }
  }
}

/** How long a process of Node takes, in milliseconds. */
function took(args) {
  const begun = process.hrtime.bigint()
  const { status, stderr } = spawnSync(process.execPath, args)
  if (status !== 0) throw new Error(String(stderr))
  return Number(process.hrtime.bigint() - begun) / 1e6
}
