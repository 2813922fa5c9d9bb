// A handover that survives a crash: a producer passes the lines of a file to a consumer through a ring, the
// consumer is killed in the middle and started again, and its output has to be the input all the same.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Producer } from 'shared-block-ring'
import { FileBlockDevice } from 'shared-block-ring/block/file'
import { inspectRing } from 'shared-block-ring/tools'

const input = fileURLToPath(new URL('../package-lock.json', import.meta.url))
const RING_BYTES = 128 * 1024

const directory = await mkdtemp(join(tmpdir(), 'handover-'))
const ring = join(directory, 'ring')
const output = join(directory, 'output')
const running = new Set()

try {
  await handOver()
} finally {
  for (const child of running) child.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
}

async function handOver() {
  const started = performance.now()
  const device = await FileBlockDevice.create(ring, { sizeBytes: RING_BYTES })
  await Producer.create(device)
  await writeFile(output, '')

  const { size } = await stat(input)
  const lines = (await readFile(input, 'utf8')).split(/(?<=\n)/).length
  console.log(`Made a ring of ${RING_BYTES / 1024} KiB on ${ring}.`)
  console.log(`Handing over the ${lines} lines of package-lock.json, ${size} bytes.`)
  const producer = start('producer', input)
  const first = start('consumer', output)
  console.log(`Started a producer (process ${producer.pid}) and a consumer (${first.pid}).`)

  while ((await stat(output)).size < size / 3) {
    if (!running.has(first) || !running.has(producer)) throw new Error('a program ended too early')
    await sleep(1)
  }
  await end(first, 'SIGKILL')
  const written = (await readFile(output, 'utf8')).split('\n').length - 1
  const { used, capacity } = await inspectRing(device)
  console.log(
    `Killed the consumer after ${written} lines; ${used} of ${capacity} bytes are waiting.`,
  )

  const second = start('consumer', output)
  console.log(`Started another consumer (${second.pid}).`)
  await Promise.all([end(producer), end(second)])
  await device.disconnect()

  const [sent, received] = await Promise.all([sha256(input), sha256(output)])
  if (sent !== received) throw new Error(`the output differs: sent ${sent}, received ${received}`)
  console.log(`The output is the input, byte for byte: sha256 ${sent}`)
  console.log(`It took ${((performance.now() - started) / 1000).toFixed(1)} s.`)
}

function start(program, file) {
  const script = fileURLToPath(new URL(`handover/${program}.mjs`, import.meta.url))
  const child = spawn(process.execPath, [script, ring, file], { stdio: 'inherit' })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** Waits until a program has ended well, or by the signal that it is sent. */
async function end(child, signal) {
  const exit = running.has(child) ? once(child, 'exit') : undefined
  if (signal !== undefined) child.kill(signal)
  await exit
  if (child.exitCode !== 0 && (signal === undefined || child.signalCode !== signal)) {
    throw new Error(`process ${child.pid} ended with ${child.signalCode ?? child.exitCode}`)
  }
}

async function sha256(path) {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}
