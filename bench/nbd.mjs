// npm run bench:nbd: the NBD client against fio's nbd engine, at the same sizes and depths, over a unix socket to
// nbdkit, which keeps everything in memory. Both are measured in turns.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { isProgram } from './lib/contestants.mjs'
import { RESULTS, writeResult } from './lib/files.mjs'
import { fio, forMs } from './lib/fio.mjs'
import { machineOf } from './lib/machine.mjs'
import { nbdText } from './lib/nbd-table.mjs'
import { summary } from './lib/result.mjs'
import { NbdBlockDevice } from './lib/ring.mjs'

const USAGE = `npm run bench:nbd [-- OPTIONS]
  --only TEXT      rows whose name contains it, such as "write 4 KiB" or "x 64"
  --rounds N       how often everything is measured (default 5)
  --ms N           how long a measurement takes, in milliseconds (default 400)
  --quick          one short round
  --out FOLDER     where to write nbd.json (default: bench/results)`

const KIB = 1024
const SIZE_MIB = 256
const START_MS = 10_000
const ROWS = [
  { bytes: 4 * KIB, depth: 1 },
  { bytes: 4 * KIB, depth: 16 },
  { bytes: 4 * KIB, depth: 64 },
  { bytes: 64 * KIB, depth: 16 },
  { bytes: 1024 * KIB, depth: 1 },
  { bytes: 1024 * KIB, depth: 4 },
].flatMap((transfer) =>
  ['read', 'write'].map((direction) => {
    const name = `${direction} ${transfer.bytes / KIB} KiB x ${transfer.depth}`
    return { name, direction, ...transfer, fio: [], ring: [] }
  }),
)

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '400' },
    quick: { type: 'boolean', default: false },
    out: { type: 'string', default: RESULTS },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const missing = ['fio', 'nbdkit'].filter((program) => !isProgram(program))

if (values.help) console.log(USAGE)
else if (missing.length > 0) {
  console.error(`This takes ${missing.join(' and ')}, Debian packages of that name.`)
  process.exitCode = 1
} else await main()

async function main() {
  const rounds = values.quick ? 1 : Number(values.rounds)
  const ms = values.quick ? 100 : Number(values.ms)
  const exact = ROWS.filter(({ name }) => name === values.only)
  const rows = exact.length > 0 ? exact : ROWS.filter(({ name }) => name.includes(values.only))
  const folder = await mkdtemp(join(tmpdir(), 'sbr-bench-'))
  try {
    const server = await serve(folder)
    try {
      await measure(rows, server.uri, rounds, ms)
    } finally {
      await server.stop()
    }
    const whole = !values.quick && values.only === ''
    const result = {
      whole,
      machine: machineOf(folder),
      rounds,
      rows: rows.map((row) => ({ ...row, fio: summary(row.fio), ring: summary(row.ring) })),
    }
    console.log(nbdText(result))
    const name = whole ? 'nbd' : 'partial'
    console.error(`Written: ${await writeResult(values.out, name, result)}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function serve(folder) {
  const socket = join(folder, 'nbd.sock')
  const args = ['--foreground', '--exit-with-parent', '--unix', socket, 'memory', `${SIZE_MIB}M`]
  const server = spawn('nbdkit', args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(server, 'exit')
  for (let waited = 0; !existsSync(socket); waited += 20) {
    if (waited > START_MS || server.exitCode !== null) throw new Error('nbdkit does not start')
    await sleep(20)
  }
  const stop = async () => {
    server.kill()
    await ended
  }
  return { uri: `nbd+unix:///?socket=${socket}`, stop }
}

async function measure(rows, uri, rounds, ms) {
  const device = await NbdBlockDevice.open(uri)
  try {
    await fill(device)
    for (let round = 1; round <= rounds; round++) {
      for (const row of rows) {
        console.error(`round ${round} of ${rounds}: ${row.name}`)
        row.fio.push(await byFio(uri, row, ms))
        row.ring.push(await byClient(device, row, ms))
      }
    }
  } finally {
    await device.disconnect()
  }
}

/** What was never written takes the server no time to read. */
async function fill(device) {
  const { sectorSize } = await device.getInfo()
  const buffer = device.allocate(1024 * KIB).fill(0x5a)
  for (let at = 0; at < SIZE_MIB; at++) {
    await device.write((at * 1024 * KIB) / sectorSize, [buffer])
  }
}

/** Transfers a second. */
async function byFio(uri, { direction, bytes, depth }, ms) {
  const at = ['--ioengine=nbd', `--uri=${uri}`, `--rw=rand${direction}`]
  return (await fio(direction, [...at, `--bs=${bytes}`, `--iodepth=${depth}`, ...forMs(ms)])).iops
}

/** Transfers a second. */
async function byClient(device, { direction, bytes, depth }, ms) {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const sectors = bytes / sectorSize
  const places = Math.floor(sizeSectors / sectors)
  const started = performance.now()
  let done = 0
  const lane = async () => {
    const buffers = [device.allocate(bytes).fill(0x5a)]
    while (performance.now() < started + ms) {
      await device[direction](Math.floor(Math.random() * places) * sectors, buffers)
      done++
    }
  }
  await Promise.all(Array.from({ length: depth }, lane))
  return (done * 1000) / (performance.now() - started)
}
