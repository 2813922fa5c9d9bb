// A member of the group on one host, as a program of its own: `node member.mjs <settings as JSON>`. It tells what it does on its standard
// output, and ends in order when it is told to.
import { once } from 'node:events'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { say } from '../../test/crash/say.mjs'
import { codesOf } from '../ceph/codes.mjs'
import { fenceByCeph, joinGroup, json, NbdBlockDevice, openPool } from '../ceph/package.mjs'

const CONCURRENCY = 16
/** Of some items, so that there is always something under way. */
const SLOW_MS = 20

const { uri, conf, owner, timeoutMs } = JSON.parse(process.argv[2])
const stop = new AbortController()
process.on('message', (message) => {
  if (message === 'leave') stop.abort()
})
process.on('disconnect', () => process.exit())

/** Asks the lab, which kills the server of that host. */
async function fenceByLab(holder) {
  say({ event: 'fence', owner: holder.owner })
  for (;;) {
    const [message] = await once(process, 'message')
    if (message.fenced === holder.owner) return
  }
}

const device = await NbdBlockDevice.connect(uri)
const pool = await openPool(device)
const names = (await pool.list()).map(({ name }) => name)
const rings = await Promise.all(names.map((name) => pool.open(name)))
const nameOf = (ring) => names[rings.indexOf(ring)]
const fence = conf === undefined ? fenceByLab : fenceByCeph({ ceph: ['ceph', '--conf', conf] })
const group = await joinGroup(rings, {
  reader: { codec: json(), client: owner, lease: { owner, timeoutMs, fence } },
  onTaken: ({ consumer }) => {
    say({
      event: 'taken',
      ring: names[rings.findIndex(({ name }) => name === consumer.device.name)],
    })
  },
  onReleased: (ring) => say({ event: 'released', ring: nameOf(ring) }),
  onFailed: (error, ring) => {
    say({ event: 'failed', ring: nameOf(ring), codes: codesOf(error), message: String(error) })
  },
})
await group.process(
  async ({ key, number }) => {
    say({ event: 'begin', key, number })
    if (number % 8 === 0) await sleep(SLOW_MS)
    say({ event: 'end', key, number })
  },
  { concurrency: CONCURRENCY, keyOf: ({ key }) => key, signal: stop.signal },
)
await group.close()
await device.disconnect()
process.disconnect()
