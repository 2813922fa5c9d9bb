// A pipeline that survives a crash: a producer passes the lines of a file through a ring to a worker with eight handlers. Some
// attempts fail, one line is given up, and the worker is killed in the middle and started again. Its output, with the line that was
// given up, has to be the input all the same.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Producer, RingReader } from 'shared-block-ring'
import { FileBlockDevice } from 'shared-block-ring/block/file'
import { deadLetters } from 'shared-block-ring/codec'
import { inspectRing } from 'shared-block-ring/tools'

const input = fileURLToPath(new URL('../package-lock.json', import.meta.url))
const RING_BYTES = 128 * 1024

const directory = await mkdtemp(join(tmpdir(), 'pipeline-'))
const ring = join(directory, 'ring')
const failures = join(directory, 'dead-letters')
const output = join(directory, 'output')
const running = new Set()

try {
  await run()
} finally {
  for (const child of running) child.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
}

async function run() {
  const started = performance.now()
  const device = await FileBlockDevice.create(ring, { sizeBytes: RING_BYTES })
  const failed = await FileBlockDevice.create(failures, { sizeBytes: RING_BYTES })
  await Producer.create(device)
  await Producer.create(failed)
  await writeFile(output, '')

  const { size } = await stat(input)
  const lines = (await readFile(input, 'utf8')).split(/(?<=\n)/).length
  console.log(`Made a ring of ${RING_BYTES / 1024} KiB on ${ring}.`)
  console.log(`Passing on the ${lines} lines of package-lock.json, ${size} bytes.`)
  const producer = start('producer', ring, input)
  const first = start('worker', ring, failures, output)
  console.log(
    `Started a producer (process ${producer.pid}) and a worker with eight handlers (${first.pid}).`,
  )

  while ((await stat(output)).size < size / 3) {
    if (!running.has(first) || !running.has(producer)) throw new Error('a program ended too early')
    await sleep(1)
  }
  await end(first, 'SIGKILL')
  const { waitingItems } = await inspectRing(device)
  console.log(`Killed the worker in the middle; ${waitingItems} lines wait in the ring.`)

  const second = start('worker', ring, failures, output)
  console.log(`Started another worker (${second.pid}).`)
  await end(producer)
  while ((await inspectRing(device)).waitingItems > 0) {
    if (!running.has(second)) throw new Error('the worker ended too early')
    await sleep(10)
  }
  await end(second, 'SIGTERM')
  await putRight(failed)
  await Promise.all([device.close(), failed.close()])

  const [sent, received] = await Promise.all([sha256(input), sha256(output)])
  if (sent !== received) throw new Error(`the output differs: sent ${sent}, received ${received}`)
  console.log(`The output is the input, byte for byte: sha256 ${sent}`)
  console.log(`It took ${((performance.now() - started) / 1000).toFixed(1)} s.`)
}

/** Does by hand what no handler could. A crash may have put the same line among the dead letters twice. */
async function putRight(device) {
  const reader = await RingReader.open(device, { codec: deadLetters })
  const file = await open(output, 'r+')
  for (let entry = await reader.tryReceive(); entry; entry = await reader.tryReceive()) {
    const { bytes, position, attempts, reason } = entry.item
    const { at, line } = JSON.parse(new TextDecoder().decode(bytes))
    await file.write(line, at)
    await entry.ack()
    console.log(
      `Line at ${position} was given up after ${attempts} attempts (${reason}), and is put right.`,
    )
  }
  await file.close()
  await reader.close()
}

function start(program, ...args) {
  const script = fileURLToPath(new URL(`pipeline/${program}.mjs`, import.meta.url))
  const child = spawn(process.execPath, [script, ...args], { stdio: 'inherit' })
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
