// The worker of the crash test of `process`: `node worker.mjs <ring> <letters> <how>`. It says when a handler begins
// and ends, and what it has handed over, before `process` learns of it. What becomes of an item follows from its index.
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileBlockDevice } from '../../dist/block/file/index.js'
import { RingReader, RingWriter } from '../../dist/index.js'
import { say } from './say.mjs'
import { fateOf, indexOf, keyOf } from './tasks.mjs'

const [path, lettersPath, how] = process.argv.slice(2)
const { keys, lazyAck, maxUnacked, letters, requeues, concurrency } = JSON.parse(how)

const device = await FileBlockDevice.open(path)
const lettersDevice = await FileBlockDevice.open(lettersPath)
const writer = requeues ? await RingWriter.open(device, { refreshIntervalMs: 1 }) : undefined
const reader = await RingReader.open(device, { lazyAck, maxUnacked, maxPollMs: 5 })

await reader.process(
  async (item, job) => {
    const index = indexOf(item)
    say({ event: 'begin', index, mayHaveRun: job.mayHaveRun })
    // Later ones end earlier.
    if (index % 3 > 0) await sleep(index % 3)
    const fate = fateOf(index)
    if (fate === 'dead') return job.giveUp('no attempt helps')
    if (fate === 'late' && job.attempt === 1) throw new Error('the first attempt fails')
    say({ event: 'done', index })
  },
  {
    concurrency,
    untilEmpty: true,
    backoff: { firstMs: 2, maxMs: 5 },
    ...(keys && { keyOf: (item) => keyOf(indexOf(item)) }),
    deadLetter:
      letters === 'ring'
        ? lettersDevice
        : async ({ bytes }) => say({ event: 'dead', index: indexOf(bytes) }),
    ...(writer && { requeueTo: writer }),
  },
)
await reader.close()
await writer?.close()
await device.disconnect()
await lettersDevice.disconnect()
