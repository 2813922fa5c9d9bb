// Hands items over through a ring on a Ceph cluster whose parts are killed, cut off and fenced, and checks every promise.
// Stops by itself and takes everything away again: exit 1 when a guarantee is violated.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Cluster } from './ceph/cluster.mjs'
import { Gateways } from './ceph/gateway.mjs'
import { Handover } from './ceph/handover.mjs'
import { onImage, ringOf } from './ceph/image.mjs'
import { LateWrite } from './ceph/late.mjs'
import { Network } from './ceph/network.mjs'
import { inspectRing, Producer, verifyRing } from './ceph/package.mjs'
import { installMissing } from './ceph/packages.mjs'
import { Processes } from './ceph/processes.mjs'
import { chapterLine, failureLine, summary } from './ceph/report.mjs'
import { CHAPTERS, PLACES } from './ceph/story.mjs'
import { stopOnSignals } from './stop.mjs'

const USAGE = `npm run lab:ceph -- [--items N | --short] [--seed N] [--keep] [--json]
As root. Installs the Debian packages that are missing. --short is 3,000 items; --keep leaves the folder with the logs.`

const IMAGE = 'lab'
const RING_BYTES = 12 << 20
/** The block of the late write lies behind the ring, in an object of its own. */
const IMAGE_BYTES = 16 << 20
/** Longer than an OSD's death is noticed; a host that is silent is fenced after 1.25 of it. */
const LEASE_MS = 10_000
/** After these it stops by itself: a short run is one step of many. */
const LIMIT_MS = { short: 300_000, long: 900_000 }

const { values } = parseArgs({
  options: {
    items: { type: 'string', default: '20000' },
    short: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const { stopped, signal } = stopOnSignals(values.short ? LIMIT_MS.short : LIMIT_MS.long)
const say = (line) => {
  if (!values.json) console.log(line)
}

if (values.help) console.log(USAGE)
else if (process.getuid?.() !== 0) fail('the lab makes network namespaces, which takes root')
else await main()

async function main() {
  const started = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'sbr-ceph-'))
  const network = new Network()
  const processes = new Processes(folder, network)
  let handover
  try {
    const installed = await installMissing(signal)
    if (installed.length > 0) say(`installed ${installed.join(' ')}`)
    const lab = await setUp(folder, network, processes)
    handover = lab.handover
    lab.report.startMs = Math.round(performance.now() - started)
    say(`a cluster of 3 mons and 3 OSDs, and 3 hosts, are there after ${lab.report.startMs} ms`)
    await tell(lab)
    lab.report.totalMs = Math.round(performance.now() - started)
    if (values.json) console.log(JSON.stringify(lab.report))
    else say(summary(lab.report))
  } catch (error) {
    if (stopped.aborted) say(stopped.reason.message)
    else fail(error)
  } finally {
    await handover?.kill()
    await processes.killAll()
    await network.down()
    if (values.keep) say(`logs are in ${folder}`)
    else rmSync(folder, { recursive: true, force: true })
  }
}

/** A cluster, its hosts, and a ring on an image. */
async function setUp(folder, network, processes) {
  await network.up(signal)
  const cluster = new Cluster({ folder, network, processes, signal })
  await cluster.create()
  await cluster.createImage(IMAGE, IMAGE_BYTES)
  const source = cluster.sourceOf(IMAGE)
  const gateways = new Gateways({ folder, processes, image: IMAGE, source, signal })
  for (const host of Object.values(PLACES)) await gateways.start(host)
  const count = values.short ? 3000 : Number(values.items)
  const settings = {
    count,
    seed: Number(values.seed),
    conf: cluster.conf,
    timeoutMs: LEASE_MS,
    ringBytes: RING_BYTES,
  }
  await onRing(gateways, settings, (ring) => Producer.create(ring))
  const recover = async (failure) => {
    say(failureLine(failure))
    // What it had asked for must not arrive when it is at work again.
    await gateways.kill(failure.host)
    await gateways.start(failure.host)
  }
  const handover = new Handover({ network, gateways, settings, signal, recover })
  const late = new LateWrite({ gateways, at: RING_BYTES, signal })
  const report = { items: count, chapters: [] }
  return { cluster, network, gateways, processes, handover, late, settings, report }
}

/** Goes through all chapters, and checks what is there in the end. */
async function tell(lab) {
  const { gateways, handover, late, report, settings } = lab
  handover.start('consumer', PLACES.consumer)
  handover.start('producer', PLACES.producer)
  try {
    for (const [number, { title, happen }] of CHAPTERS.entries()) {
      const limit = Math.floor((settings.count * (number + 1)) / CHAPTERS.length)
      const startedAt = performance.now()
      const pauses = await handover.chapter(limit, () => happen(lab))
      const chapter = { title, pauses, ms: Math.round(performance.now() - startedAt) }
      report.chapters.push(chapter)
      say(chapterLine(chapter))
    }
    await handover.end(settings.count)
  } finally {
    await late.close()
  }
  Object.assign(report, { repeats: handover.repeats, failures: handover.failures })
  await onRing(gateways, settings, async (ring) => {
    const { findings } = await verifyRing(ring)
    const { usedBytes: used } = await inspectRing(ring)
    if (findings.length > 0 || used > 0) {
      throw new Error(`the ring has ${used} bytes in use, and ${JSON.stringify(findings)}`)
    }
  })
}

/** Does something with the ring, from the consumer's host. */
function onRing(gateways, { ringBytes }, act) {
  const uri = gateways.uri(PLACES.consumer)
  return onImage(uri, async (device) => act(await ringOf(device, ringBytes)))
}

function fail(error) {
  process.exitCode ||= 1
  console.error(error)
}
