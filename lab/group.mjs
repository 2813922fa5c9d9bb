// Two hosts share the rings of a pool as a group, with leases; one is killed, and the other has its rings. Stops by itself and takes
// everything away again: exit 1 when a guarantee is violated.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Gateways } from './ceph/gateway.mjs'
import { Network } from './ceph/network.mjs'
import {
  createPool,
  inspectRing,
  json,
  NbdBlockDevice,
  openPool,
  partitioned,
  RingWriter,
  verifyRing,
} from './ceph/package.mjs'
import { Processes } from './ceph/processes.mjs'
import { Handled, Member } from './group/members.mjs'
import { STORES } from './group/store.mjs'
import { eventually } from './run.mjs'
import { stopOnSignals } from './stop.mjs'

const USAGE = `npm run lab:group -- [--store ceph|file] [--items N] [--keep]
As root. ceph installs the Debian packages that are missing; file needs qemu-utils and iproute2. --keep leaves the folder with the logs.`

const IMAGE = 'group'
const RINGS = 12
const RING_BYTES = 1 << 20
const IMAGE_BYTES = 32 << 20
const KEYS = 60
/** The members' hosts, and that of the producer. */
const [FIRST, SECOND, PRODUCING] = ['h1', 'h2', 'h3']
const LEASE_MS = 10_000
/** A lease is watched for 1.25 of its time, and taken in 2.5 s; before, the dead host's ring is tried, and the fence takes a while. */
const TAKEN_OVER_MS = 1.25 * LEASE_MS + 2500 + 5000
const STEP_MS = 60_000
const LIMIT_MS = 300_000
/** Items of one push, and how long until the next. */
const TOGETHER = 20
const PAUSE_MS = 20

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'ceph' },
    items: { type: 'string', default: '12000' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const { stopped, signal } = stopOnSignals(LIMIT_MS)

if (values.help) console.log(USAGE)
else if (STORES[values.store] === undefined) fail(USAGE)
else if (process.getuid?.() !== 0) fail('the lab makes network namespaces, which takes root')
else await main()

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'sbr-group-'))
  const network = new Network()
  const processes = new Processes(folder, network)
  const lab = { members: new Map(), network }
  try {
    await network.up(signal)
    const set = { folder, network, processes, image: IMAGE, bytes: IMAGE_BYTES, signal }
    lab.store = await STORES[values.store](set)
    const { source } = lab.store
    lab.gateways = new Gateways({ folder, processes, image: IMAGE, source, signal })
    for (const host of [FIRST, SECOND, PRODUCING]) await lab.gateways.start(host)
    await tell(lab)
  } catch (error) {
    if (stopped.aborted) console.log(stopped.reason.message)
    else fail(error)
  } finally {
    await Promise.all([...lab.members.values()].map((member) => member.kill()))
    await processes.killAll()
    await network.down()
    if (values.keep) console.log(`logs are in ${folder}`)
    else rmSync(folder, { recursive: true, force: true })
  }
}

async function tell(lab) {
  const { gateways, network, store, members } = lab
  const items = Number(values.items)
  const handled = new Handled()
  let broken
  const check = (isSo) => () => {
    if (broken !== undefined) throw broken
    return isSo()
  }
  const until = async (what, isSo, withinMs = STEP_MS) => {
    const begun = performance.now()
    await eventually(what, check(isSo), { withinMs, everyMs: 20, signal })
    return `${what}: after ${((performance.now() - begun) / 1000).toFixed(1)} s`
  }
  const hear = async (message, member) => {
    if (message.event === 'begin' || message.event === 'end') handled.hear(message)
    else if (message.event === 'fence') {
      await gateways.kill(message.owner)
      member.fenced(message.owner)
    } else throw new Error(`the member on ${member.host} ended with ${message.how}`)
  }
  const enter = (host) => {
    const settings = { uri: gateways.uri(host), owner: store.ownerOf(host), conf: store.conf }
    const all = { ...settings, timeoutMs: LEASE_MS }
    const member = new Member(host, network.on(host), all, (message, from) => {
      hear(message, from).catch((error) => {
        broken ??= error
      })
    })
    members.set(host, member)
    return member
  }
  const has = (host) => members.get(host)?.rings.size ?? 0

  const device = await NbdBlockDevice.connect(gateways.uri(PRODUCING))
  await createPool(device)
  const pool = await openPool(device)
  for (let ring = 0; ring < RINGS; ring++) {
    await pool.add(`ring-${String(ring).padStart(2, '0')}`, { sizeBytes: RING_BYTES })
  }
  const names = (await pool.list()).map(({ name }) => name)
  const rings = await Promise.all(names.map((name) => pool.open(name)))
  const writers = []
  for (const ring of rings) writers.push(await RingWriter.open(ring, { codec: json() }))
  const pushed = push(
    partitioned(writers, ({ key }) => key),
    items,
  )
  pushed.catch((error) => {
    broken ??= error
  })

  enter(FIRST)
  enter(SECOND)
  console.log(await until('all rings have a consumer', () => has(FIRST) + has(SECOND) === RINGS))
  console.log(`${FIRST} has ${has(FIRST)} of them, and ${SECOND} ${has(SECOND)}`)
  const [victim, other] = has(FIRST) >= has(SECOND) ? [FIRST, SECOND] : [SECOND, FIRST]
  await until('a quarter of the items is handled', () => handled.count > items / 4)
  await store.cutOff(victim)
  await members.get(victim).kill()
  members.delete(victim)
  console.log(
    await until(
      `${other} has the rings of ${victim}, which died`,
      () => has(other) === RINGS,
      TAKEN_OVER_MS,
    ),
  )
  await until('half of the items are handled', () => handled.count > items / 2)
  // What it had asked for must not arrive when it is at work again.
  await gateways.kill(victim)
  await network.heal(victim)
  await pushed
  console.log(await until('all items are handled', () => handled.count === items))
  await members.get(other).leave()
  for (const writer of writers) await writer.close()
  for (const [number, ring] of rings.entries()) {
    const { waitingItems } = await inspectRing(ring)
    const { findings } = await verifyRing(ring)
    if (waitingItems !== 0 || findings.length > 0) {
      throw new Error(`${names[number]} has ${waitingItems} items, and ${JSON.stringify(findings)}`)
    }
  }
  await device.disconnect()
  console.log(
    `${items} items of ${KEYS} keys in ${RINGS} rings were handled, each key in its order, ${handled.repeats} of them again; the rings are sound`,
  )
}

async function push(writer, items) {
  for (let at = 0; at < items; at += TOGETHER) {
    const some = Array.from({ length: Math.min(TOGETHER, items - at) }, (_, index) => at + index)
    await writer.pushMany(
      some.map((number) => ({ key: number % KEYS, number: Math.floor(number / KEYS) })),
    )
    await sleep(PAUSE_MS, undefined, { signal })
  }
}

function fail(error) {
  process.exitCode ||= 1
  console.error(error)
}
