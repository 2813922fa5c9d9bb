// Takes lines over from another program, eight at a time: node worker.mjs <ring> <ring of dead letters> <output file>
import { open } from 'node:fs/promises'
import process from 'node:process'
import { RingReader } from 'shared-block-ring'
import { FileBlockDevice } from 'shared-block-ring/block/file'
import { json } from 'shared-block-ring/codec'

const [ring, failed, path] = process.argv.slice(2)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())

const output = await open(path, 'r+')
const device = await FileBlockDevice.open(ring)
const deadLetter = await FileBlockDevice.open(failed)
const reader = await RingReader.open(device, { codec: json(), client: 'worker' })

const { handled, failedAttempts, deadLettered } = await reader.process(
  async ({ at, line }, job) => {
    if (line.includes('"license"') && job.attempt === 1) throw new Error('out of luck: try again')
    if (line.includes('"lockfileVersion"')) throw new Error('no handler can do this one')
    // If we are killed before this returns, the line comes again: writing it to the same place again is harmless.
    await output.write(line, at)
    await output.datasync()
  },
  { concurrency: 8, attempts: 3, backoff: { firstMs: 10 }, deadLetter, signal: stop.signal },
)
console.log(
  `Worker ${process.pid} handled ${handled} lines; ${failedAttempts} attempts failed, ${deadLettered} lines were given up.`,
)

await reader.close()
await Promise.all([device.close(), deadLetter.close(), output.close()])
