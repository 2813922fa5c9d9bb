import { readFile } from 'node:fs/promises'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { exposition } from '../../metrics/exposition.ts'
import { ringFamilies } from '../../metrics/rings.ts'
import { isLoopback, newToken, TOKEN } from '../../picture/serve/access.ts'
import { PictureServer } from '../../picture/serve/server.ts'
import { safeJson } from '../../text/render.ts'
import { onAbort } from '../../util/abort.ts'
import { type Limits, problemsOf } from '../device/check-ring.ts'
import { pictureAccess } from '../device/picture-access.ts'
import { checkDistinct, surveys } from '../device/survey.ts'
import { CommandError, EXIT, usageError } from '../errors.ts'
import { answerFlags, type CommonFlags, devices, devicesOf } from '../flags/flags.ts'
import { limitFlags } from '../flags/limit-flags.ts'
import { checkLine } from '../output/check-text.ts'
import { standardOutput } from '../output/output.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends CommonFlags, Limits {
  readonly listen?: Address
  readonly showItems?: boolean
  readonly tokenFile?: string
}

interface Address {
  readonly host: string
  readonly port: number
}

const DEFAULT: Address = { host: '127.0.0.1', port: 7575 }

const fullDescription = `Serves a page with rings at work: a map of each device, live, and charts of throughput, age and fill; who is at work;
and, on request, what sbr verify finds. Opens the devices read-only, takes no role and changes nothing; works while
both sides run. Prints the address of the page, and serves until it is stopped.

Beside the page are /metrics, which is what sbr metrics prints, and /healthz, which has what sbr check says of all rings,
with status 200 if all are fine and 503 if not; the limits are those of sbr check. A device that does not answer is
asked once, and is wrong until it has answered.

Listens on this machine only by default. On any other address, and with --show-items on this machine too, a client
has to show a token, as Authorization: Bearer or once as ?token= in the address of the page: the one in --token-file, or
one that is made and printed. There is no encryption: put a proxy with TLS in front of it where others share the network.

The content of items is served only with --show-items: every user of a machine can reach its addresses, also one who may
not read the devices.

With --json: {"url":"..."} once it listens, on a line. The exit code is 0 when a signal stops it.

EXAMPLES
  sbr serve /srv/rings/*.img
  sbr serve queue.img --listen 0.0.0.0:7575 --token-file /etc/sbr/token --max-age 5m`

export const serve: Command<CommandContext> = buildCommand({
  docs: {
    brief: 'Serve a live page, metrics and health of rings, changing nothing',
    fullDescription,
  },
  parameters: {
    positional: devices,
    flags: {
      listen: {
        kind: 'parsed',
        brief: 'Address and port, or a port of this machine (default: 127.0.0.1:7575)',
        placeholder: 'ADDRESS:PORT',
        optional: true,
        parse: parseAddress,
      },
      showItems: {
        kind: 'boolean',
        brief: 'Also serve the next items, to clients with the token',
        optional: true,
        withNegated: false,
      },
      tokenFile: {
        kind: 'parsed',
        brief: 'A file with the token that has to be shown: 16 to 256 letters, digits and . _ ~ -',
        placeholder: 'FILE',
        optional: true,
        parse: String,
      },
      ...limitFlags,
      ...answerFlags,
    },
  },
  func: run,
})

function parseAddress(text: string): Address {
  const [, bracketed, plain, digits = ''] =
    /^(?:(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):)?(\d{1,5})$/i.exec(text) ?? []
  const port = digits === '' ? Number.NaN : Number(digits)
  if (port <= 65_535) return { host: bracketed ?? plain ?? DEFAULT.host, port }
  throw usageError(`expected an address and a port, such as 127.0.0.1:7575, found '${text}'`)
}

async function run(flags: Flags, ...given: string[]): Promise<void> {
  const paths = devicesOf(given)
  checkDistinct(paths)
  using _saving = saveResources()
  using stop = stopSignals()
  const { signal } = stop
  const { host, port } = flags.listen ?? DEFAULT
  const token = await tokenFor(host, flags)
  const survey = surveys(paths, flags, signal)
  await using server = new PictureServer({
    ...{ devices: paths, access: pictureAccess(flags), host, port, token },
    showItems: flags.showItems === true,
    page: await readFile(new URL('../page.html', import.meta.url), 'utf8'),
    metrics: async () => exposition(ringFamilies(await survey())),
    health: async () => {
      const checked = (await survey()).map((one) => ({ one, problems: problemsOf(one, flags) }))
      const text = checked.map(({ one, problems }) => checkLine(one, problems, PLAIN)).join('')
      return { ok: checked.every(({ problems }) => problems.length === 0), text }
    },
  })
  const address = await server.listen().catch((error: Error) => {
    const message = `cannot listen on ${host}:${port}: ${error.message}`
    throw new CommandError(EXIT.fault, 'CLI_LISTEN', message, { host, port }, error)
  })
  const url =
    token === undefined || flags.tokenFile !== undefined ? address : `${address}?token=${token}`
  await standardOutput(signal).write(flags.json === true ? `${safeJson({ url })}\n` : `${url}\n`)
  await new Promise<void>((resolve) => onAbort(signal, resolve))
}

/**
 * A function is compiled to fast code once it has executed about so many bytes of its own, seven times as many as by
 * default: in a mostly idle server, compiling takes more than it saves, in threads of its own a third of all processor
 * time of the first minutes.
 */
const OPTIMISE_LATE = 500_000

/** Garbage is collected this often, if there is so much more than after the last collection. */
const COLLECT_MS = 30_000
const COLLECT_BYTES = 2 << 20

/**
 * The garbage of a mostly idle server is short-lived. By default the engine uses 16 MB for new objects, and leaves
 * those that survive until there are tens of megabytes, because it does not know that the program is idle. Collecting
 * them takes about 20 ms of processor time.
 */
function saveResources(): Disposable {
  try {
    setFlagsFromString(`--interrupt-budget=${OPTIMISE_LATE}`)
    setFlagsFromString('--semi-space-growth-factor=1')
    setFlagsFromString('--expose-gc')
  } catch {
    // A runtime without V8, such as Bun, has no such flags.
    return { [Symbol.dispose]: () => undefined }
  }
  const collect: unknown = runInNewContext('globalThis.gc')
  if (typeof collect !== 'function') return { [Symbol.dispose]: () => undefined }
  let kept = 0
  const timer = setInterval(() => {
    if (heapBytes() - kept < COLLECT_BYTES) return
    collect()
    kept = heapBytes()
  }, COLLECT_MS).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

function heapBytes(): number {
  const { used_heap_size, external_memory } = getHeapStatistics()
  return used_heap_size + external_memory
}

/** A probe is no terminal. */
const PLAIN = { paint: (_: unknown, text: string): string => text }

/**
 * The required token. Undefined on this machine's own addresses, unless one is given: its other users may see the state
 * of its rings, but not their items, which are only for users who may read the devices.
 */
async function tokenFor(
  host: string,
  { tokenFile, showItems }: Pick<Flags, 'tokenFile' | 'showItems'>,
): Promise<string | undefined> {
  if (tokenFile === undefined)
    return isLoopback(host) && showItems !== true ? undefined : newToken()
  const token = (await readToken(tokenFile)).trim()
  if (TOKEN.test(token)) return token
  throw usageError(`--token-file: ${tokenFile} has no token: 16 to 256 letters, digits and . _ ~ -`)
}

async function readToken(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const message = `the token cannot be read: ${reason}`
    throw new CommandError(EXIT.fault, 'CLI_TOKEN', message, { path }, error)
  }
}
