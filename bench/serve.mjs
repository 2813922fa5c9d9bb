// What sbr serve costs that shows many rings: its processor time and memory, while nobody looks, while a page does, and while producers
// push; and how soon the page and what it shows are there, in Chromium too if that is installed. Stops by itself.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { FileBlockDevice, RingWriter } from './lib/ring.mjs'
import { Events } from './serve/events.mjs'
import { driver, firstPaint } from './serve/first-paint.mjs'

const USAGE = `npm run bench:serve [-- OPTIONS]   (Linux)
  --rings N      rings that are served (default: 100)
  --busy N       of these, how many get an item every 100 ms in the last part (default: 10)
  --seconds N    how long each part takes (default: 20)`

const { values } = parseArgs({
  options: {
    rings: { type: 'string', default: '100' },
    busy: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '20' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const [rings, busy, seconds] = [values.rings, values.busy, values.seconds].map(Number)
const RING_BYTES = 4 << 20
const PUSH_MS = 100
/** How often the page is opened in a browser. */
const PAINTS = 15
/** Of the clock that /proc counts processor time in. */
const TICKS = 100

if (values.help) console.log(USAGE)
else await main()

async function main() {
  const folder = await mkdtemp(join(tmpdir(), 'sbr-bench-'))
  const devices = []
  try {
    for (let number = 0; number < rings; number++)
      devices.push(
        await FileBlockDevice.create(join(folder, `ring-${number}`), {
          sizeBytes: RING_BYTES,
          sparse: true,
        }),
      )
    for (const device of devices) {
      const writer = await RingWriter.open(device, { createIfMissing: true })
      await writer.pushMany(Array.from({ length: 10 }, () => new Uint8Array(100)))
      await writer.close()
    }
    await measure(devices)
  } finally {
    for (const device of devices) await device.disconnect()
    await rm(folder, { recursive: true, force: true })
  }
}

async function measure(devices) {
  const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
  const paths = devices.map(({ name }) => name)
  const begun = performance.now()
  const server = spawn(process.execPath, [main, 'serve', ...paths, '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closers = []
  try {
    const [printed] = await once(server.stdout, 'data')
    const url = String(printed).trim()
    const listening = performance.now()
    await (await fetch(url)).text()
    const loaded = performance.now()
    const events = new Events(`${url}api/events`)
    closers.push(() => events.close())
    await events.next()
    const shown = performance.now()
    console.log(
      `${rings} rings: it listens after ${ms(listening - begun)}; the page is there ${ms(loaded - listening)} later, and all rings on it ${ms(shown - loaded)} after that\n`,
    )
    await paint(url)
    console.log('| | processor time | memory | updates a second | KiB a second |')
    console.log('| --- | --- | --- | --- | --- |')
    await part(server.pid, 'a page looks, nothing happens', events)
    const ending = new AbortController()
    const pushing = devices.slice(0, busy).map((device) => push(device, ending.signal))
    closers.push(async () => {
      ending.abort()
      await Promise.all(pushing)
    })
    await part(
      server.pid,
      `a page looks, ${busy} rings get ${busy * (1000 / PUSH_MS)} items a second`,
      events,
    )
    events.close()
    await part(server.pid, 'nobody looks, the same', events)
  } finally {
    for (const close of closers) await close()
    server.kill()
  }
}

async function paint(url) {
  const chromium = driver()
  if (chromium === undefined) {
    console.log(
      'In a browser: not measured; there is no Chromium (Debian: chromium), or no driver (npm ci --prefix test/browser)\n',
    )
    return
  }
  const all = await firstPaint(chromium, url, rings, PAINTS)
  const spread = (what) => {
    const times = all.map((one) => one[what]).toSorted((a, b) => a - b)
    return `${ms(times[Math.floor(times.length / 2)])} (${ms(times[0])} to ${ms(times.at(-1))})`
  }
  console.log(
    `In Chromium, ${PAINTS} times with an empty cache, since the page was asked for: painted first after ${spread('painted')}, ` +
      `all rings on it after ${spread('shown')}\n`,
  )
}

async function part(pid, name, events) {
  await sleep(3000)
  const [time, at, updates, bytes] = [
    processorTime(pid),
    performance.now(),
    events.count,
    events.bytes,
  ]
  await sleep(seconds * 1000)
  const took = performance.now() - at
  const share = (processorTime(pid) - time) / took
  const each = (count) => (count / took) * 1000
  console.log(
    `| ${name} | ${(100 * share).toFixed(1)} % of a core | ${memory(pid)} | ${each(events.count - updates).toFixed(1)} ` +
      `| ${(each(events.bytes - bytes) / 1024).toFixed(1)} |`,
  )
}

async function push(device, signal) {
  const writer = await RingWriter.open(device)
  while (!signal.aborted) {
    await writer.push(new Uint8Array(100))
    await sleep(PUSH_MS)
  }
  await writer.close()
}

/** In milliseconds, of all threads, also in the kernel. */
function processorTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1000
}

/** Resident, and what of it is no file such as Node's own program, in MB of a million bytes. */
function memory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const [all, own] = ['VmRSS', 'RssAnon'].map((name) => {
    const [, kib] = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)
    return ((Number(kib) * 1024) / 1e6).toFixed(0)
  })
  return `${all} MB, ${own} its own`
}

function ms(time) {
  return `${time.toFixed(0)} ms`
}
