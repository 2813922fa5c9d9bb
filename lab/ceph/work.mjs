// What both sides of the ring do, as programs of their own: `node producer.mjs <settings as JSON>`.
import process from 'node:process'
import { say } from '../../test/crash/say.mjs'
import { codesOf } from './codes.mjs'
import { onImage, ringOf } from './image.mjs'
import { fenceByCeph } from './package.mjs'

/**
 * Does a side's work on the ring that the settings name, and ends the process. A failure is told, and who started this
 * decides what comes next.
 */
export async function work(run) {
  const settings = JSON.parse(process.argv[2])
  process.on('disconnect', () => process.exit())
  try {
    await onImage(settings.uri, async (device) => {
      const ring = await ringOf(device, settings.ringBytes)
      await run(ring, { ...settings, lease: leaseOf(settings) })
    })
  } catch (error) {
    say({ event: 'failed', codes: codesOf(error), message: String(error?.message ?? error) })
    process.exitCode = 1
  }
  process.disconnect()
}

/** A lease whose owner is this host's address: that is what is to be fenced. */
function leaseOf({ owner, conf, timeoutMs }) {
  return {
    owner,
    timeoutMs,
    // Whoever starts this has ended all that an earlier run on this host had asked for.
    reclaim: true,
    fence: fenceByCeph({ ceph: ['ceph', '--conf', conf] }),
  }
}
