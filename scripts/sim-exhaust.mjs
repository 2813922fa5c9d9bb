// Tries every event of some scripts at which the cache can be lost, with every outcome, over the built package: exit 1
// when a guarantee is violated.
import { countOf, DIST, named, optionsOf, simulatorOf } from './sim-cli.mjs'

const USAGE = `npm run sim:exhaust -- --scripts a,pc [--prelude aT] [--format 2] [--block 512] [--twice]
  [--loss power | silentReset] [--json]
A letter is a step (see LETTERS in src/sim/ring/exhaust.ts). --twice also kills a role before, at every event.`

const values = optionsOf({
  options: {
    scripts: { type: 'string' },
    prelude: { type: 'string', default: '' },
    format: { type: 'string', default: '2' },
    block: { type: 'string', default: '512' },
    twice: { type: 'boolean', default: false },
    loss: { type: 'string', default: 'power' },
    dist: { type: 'string', default: DIST },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.scripts === undefined) {
  console.log(USAGE)
  process.exitCode = values.help ? 0 : 2
} else {
  const sim = await simulatorOf(values.dist)
  const ring = named(() => sim.ringNamed(values.format))
  const { prelude, twice, loss, scripts } = values
  const block = countOf('block', values.block)
  const shape = named(() => sim.smallestShape(ring, block))
  named(() => sim.checkScripts(prelude, scripts.split(',')))
  const started = Date.now()
  const options = { shape, prelude, scripts: scripts.split(','), twice, loss }
  const done = await sim.exhaust(ring, options).catch((error) =>
    named(() => {
      throw error
    }),
  )
  const seconds = (Date.now() - started) / 1000
  if (values.json) console.log(JSON.stringify({ ...done, seconds }))
  else print(done, seconds)
  if (done.broken !== undefined) process.exitCode = 1
}

function print({ scripts, points, runs, cutShort, report }, seconds) {
  console.log(
    `format ${values.format}: ${scripts} scripts, ${points} crash points, ${runs} runs in ${seconds.toFixed(1)} s; ` +
      `${cutShort} points had more outcomes than were tried`,
  )
  if (report !== undefined) console.log(report)
}
