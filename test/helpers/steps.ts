import { Session } from 'node:inspector/promises'
import { setFlagsFromString } from 'node:v8'

/** Methods that walk an array without calling anybody back, so that nothing of it shows in the coverage. */
const WALKS = [
  ...[
    'indexOf',
    'lastIndexOf',
    'includes',
    'splice',
    'slice',
    'unshift',
    'concat',
    'fill',
    'copyWithin',
  ],
  ...['reverse', 'join', 'toSpliced', 'with', 'values', Symbol.iterator],
]

// Code that V8 has optimised counts no calls that it inlined; and a garbage collection drops the code of functions that
// have not run for a while, with what was counted of them.
setFlagsFromString('--no-opt')
setFlagsFromString('--no-flush-bytecode')

// V8 counts blocks only in functions that it first compiles while it counts, and forgets about them when it stops.
const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })

/**
 * How many steps the code of some source files takes while `run` is under way: how often V8 entered each of its
 * functions and blocks, and how many elements arrays had that were walked by their own methods. A count, and not a
 * time: it is the same on every machine. To be imported before anything of these files has run.
 * @param files what the paths of the sources end with
 */
export async function stepsOf(files: readonly string[], run: () => unknown): Promise<number> {
  await session.post('Profiler.takePreciseCoverage')
  const walked = await countWalks(run)
  const { result } = await session.post('Profiler.takePreciseCoverage')
  const scripts = result.filter(({ url }) => files.some((file) => url.endsWith(file)))
  const counts = scripts.flatMap(({ functions }) =>
    functions.flatMap(({ ranges }) => ranges.map(({ count }) => count)),
  )
  return counts.reduce((sum, count) => sum + count, walked)
}

/** How many elements arrays have that are walked meanwhile, by anybody. */
async function countWalks(run: () => unknown): Promise<number> {
  let walked = 0
  const prototype = Array.prototype as unknown as Record<
    string | symbol,
    (...args: unknown[]) => unknown
  >
  const originals = WALKS.map((name) => [name, prototype[name]] as const)
  for (const [name, original] of originals) {
    prototype[name] = function (this: unknown[], ...args) {
      const answer = original?.apply(this, args)
      walked += name === 'slice' ? (answer as unknown[]).length : this.length
      return answer
    }
  }
  try {
    await run()
  } finally {
    for (const [name, original] of originals) if (original !== undefined) prototype[name] = original
  }
  return walked
}
