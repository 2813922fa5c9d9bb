import { readFile, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { FileBlockDevice } from '../../../../src/block/file/index.ts'
import { start, temporaryFolder } from '../../../cli/cli.ts'
import { makeFarRing, TIB } from '../../../helpers/far-ring.ts'
import { SEED } from '../../../helpers/seed.ts'
import { COMMANDS } from './commands.ts'
import { runCommands } from './run.ts'

const IMAGES = 10
const TIMEOUT_MS = 300_000

test('hostile images come to an answer or an error of one line, by every command', {
  timeout: TIMEOUT_MS,
}, async () => {
  const report = await runCommands({ from: SEED, images: IMAGES, workers: 2 })
  expect(report.failures).toEqual([])
  expect(report.images).toBe(IMAGES)
  const ran = new Set(Object.keys(report.ends).map((end) => end.split(':')[0]))
  expect([...ran].sort()).toEqual([...new Set(COMMANDS.map(({ name }) => name))].sort())
})

test('the harness reports a command that writes although it only reads by its help', async () => {
  const commands = COMMANDS.filter(({ name, writes }) => name === 'create' && writes).map(
    (command) => ({ ...command, writes: false }),
  )
  const { failures } = await runCommands({ from: SEED, images: 2, workers: 2, commands })
  expect(failures.map(({ problem }) => problem)).toEqual(
    Array(2).fill('the device changed, though the command only looks'),
  )
})

/** Far more than the records of a ring; all of it would take an hour. */
const SCANNED_BYTES = 256 << 20
/** What has not stopped by then never will. */
const STUCK_MS = 60_000

test.runIf(process.platform === 'linux')(
  'SIGTERM ends verify while it looks through a terabyte for what a hostile ring says is there',
  { timeout: TIMEOUT_MS },
  async () => {
    using folder = temporaryFolder()
    const path = folder.file('far.img')
    {
      await using device = await FileBlockDevice.create(path, { sizeBytes: TIB, sparse: true })
      await makeFarRing(device)
    }
    const before = await stat(path)
    await using verify = start(['verify', path])
    while ((await bytesReadBy(verify.child.pid)) < SCANNED_BYTES) await sleep(10)
    verify.child.kill('SIGTERM')
    const watchdog = setTimeout(() => verify.child.kill('SIGKILL'), STUCK_MS)
    const { code, stderr } = await verify.ended
    clearTimeout(watchdog)
    expect({ code, stderr }).toEqual({
      code: 143,
      stderr: 'sbr: stopped by SIGTERM (CLI_STOPPED)\n',
    })
    expect((await stat(path)).mtimeMs).toBe(before.mtimeMs)
  },
)

async function bytesReadBy(pid = 0): Promise<number> {
  const [, bytes] = /^rchar: (\d+)$/m.exec(await readFile(`/proc/${pid}/io`, 'utf8')) ?? []
  return Number(bytes)
}
