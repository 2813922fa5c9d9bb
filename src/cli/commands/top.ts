import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { plainLine, type Shown, SORTS, type Sort, screenLines } from '../../picture/top/screen.ts'
import { type Key, Terminal, untilEither } from '../../picture/top/terminal.ts'
import { RingWatches } from '../../picture/watch/ring-watches.ts'
import { safeJson } from '../../text/render.ts'
import { pictureAccess } from '../device/picture-access.ts'
import { checkDistinct } from '../device/survey.ts'
import { type CommonFlags, commonFlags, devices, devicesOf } from '../flags/flags.ts'
import { type Output, standardOutput } from '../output/output.ts'
import { styleFor } from '../output/style.ts'
import { stopSignals } from '../signals.ts'

const LIVE_MS = 500
/** Without a terminal, lines are kept, so fewer are enough. */
const PLAIN_MS = 5000

const fullDescription = `Shows rings at work, twice a second: their unacknowledged items and the age of the oldest, the rates of pushes and
acknowledgements, and how full each ring is; of one ring also the holders of its roles, when it will be empty or full,
and damage. An exclamation mark marks what needs attention. Opens the devices read-only, takes no role and changes nothing; works while both sides run.

Arrows left and right choose what rings are sorted by, up and down the ring that is told in full; q leaves. Where
standard output is no terminal, a line for each ring is printed every five seconds.

With --json: one object a ring and look, with the ring as sbr draw --json has it, and "rates": items pushed and popped,
bytes pushed and commits a second, and "growth", bytes that come into use a second. Absent is what is unknown.

EXAMPLES
  sbr top /srv/rings/*.img
  sbr top /dev/vg0/queue --json | jq .rates`

export const top: Command<CommandContext> = buildCommand({
  docs: { brief: 'Show rings at work in the terminal, changing nothing', fullDescription },
  parameters: { positional: devices, flags: commonFlags },
  func: run,
})

async function run(flags: CommonFlags, ...given: string[]): Promise<void> {
  const paths = devicesOf(given)
  checkDistinct(paths)
  using stop = stopSignals()
  const output = standardOutput(stop.signal)
  if (output.kind === 'terminal' && flags.json !== true)
    await onScreen(paths, flags, output, stop.signal)
  else await asLines(paths, flags, output, stop.signal)
}

async function onScreen(
  paths: readonly string[],
  flags: CommonFlags,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const leaving = new AbortController()
  const { paint } = styleFor(output)
  let sort: Sort = 'ring'
  let selected = 0
  const press = (key: Key): void => {
    const at = SORTS.indexOf(sort)
    if (key === 'leave') leaving.abort()
    if (key === 'left') sort = SORTS[Math.max(0, at - 1)] ?? sort
    if (key === 'right') sort = SORTS[at + 1] ?? sort
    if (key === 'up') selected = Math.max(0, selected - 1)
    if (key === 'down') selected = Math.min(paths.length - 1, selected + 1)
    draw()
  }
  const draw = (): void => {
    const { columns, rows } = terminal
    const view = { columns, rows, sort, selected }
    const toned = (mood: 'good' | 'bad' | 'plain', text: string): string =>
      paint(mood === 'bad' ? 'bad' : undefined, text)
    terminal.draw(screenLines(shownIn(observatory), { ...view, paint: toned }))
  }
  await using observatory = new RingWatches(paths, pictureAccess(flags), draw)
  using terminal = new Terminal(press, draw)
  await observatory.every(LIVE_MS)
  await untilEither(signal, leaving.signal)
}

async function asLines(
  paths: readonly string[],
  flags: CommonFlags,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const ending = new AbortController()
  let failure: unknown
  const print = (): void => {
    const lines = shownIn(observatory).map((ring) =>
      flags.json === true
        ? `${safeJson({ ...ring.snapshot, rates: ring.history.rates })}\n`
        : plainLine(ring),
    )
    output.write(lines.join('')).catch((error: unknown) => {
      failure = error
      ending.abort()
    })
  }
  await using observatory = new RingWatches(paths, pictureAccess(flags), print)
  await observatory.every(PLAIN_MS)
  await untilEither(signal, ending.signal)
  if (failure !== undefined) throw failure
}

function shownIn({ rings }: RingWatches): readonly Shown[] {
  return rings.flatMap(({ snapshot, history }) =>
    snapshot === undefined ? [] : [{ snapshot, history }],
  )
}
