import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { rolldown } from 'rolldown'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { mainPath } from '../cli/cli.ts'
import { temporaryFolder } from '../conformance/folder.ts'
import { needs } from '../helpers/interop.ts'
import { serverProblem, startNbdkit } from '../helpers/nbd-servers.ts'
import { fetchRuntimes, RUNTIMES, type Runtime } from '../helpers/runtimes.ts'

const NUMBERS = Array.from({ length: 1000 }, (_, index) => `${index + 1}\n`).join('')

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string }
const folder = temporaryFolder()
let runtimes: readonly Runtime[] = []
let problem: string | undefined

beforeAll(async () => {
  const fetched = await fetchRuntimes()
  runtimes = fetched.runtimes
  problem = fetched.problem
})
beforeEach((context) => needs(context, problem))

function commandOf(name: string): readonly string[] {
  const command = runtimes.find((runtime) => runtime.name === name)?.command
  if (command === undefined) throw new Error(`no ${name}`)
  return command
}

/** Runs a command to its end, with these bytes as its standard input. */
async function run(command: readonly string[], input = ''): Promise<string> {
  const [program = '', ...args] = command
  const running = promisify(execFile)(program, args, { cwd: folder })
  running.child.stdin?.end(input)
  return (await running).stdout
}

/** Has the command line make a ring, fill it, look at it and empty it. */
async function handOver(sbr: readonly string[], ring: string): Promise<void> {
  expect(await run([...sbr, '--version'])).toBe(`${version}\n`)
  await run([...sbr, 'create', ring, ...(ring.startsWith('nbd') ? [] : ['--size', '1MiB'])])
  await run([...sbr, 'produce', ring], NUMBERS)
  expect(await run([...sbr, 'head', ring, '-n', '2'])).toBe('1\n2\n')
  expect(await run([...sbr, 'verify', ring])).toContain('1,000')
  expect(await run([...sbr, 'consume', ring, '--drain'])).toBe(NUMBERS)
  const { stats } = JSON.parse(await run([...sbr, 'diagnostics', ring, '--json']))
  expect(stats).toMatchObject({ committedItems: 1000, acknowledgedItems: 1000 })
}

describe.each(RUNTIMES)('the command line hands over what it is given in %s', (name) => {
  test('on a file', async () => {
    await handOver([...commandOf(name), mainPath], `${name.replace(' ', '-')}.ring`)
  })

  test('on an export of nbdkit', async (context) => {
    needs(context, serverProblem('nbdkit'))
    await using server = await startNbdkit(folder, ['memory', '1M'])
    await handOver([...commandOf(name), mainPath], server.uri())
  })
})

describe('a single file has all of the command line', () => {
  test('made by Bun', async () => {
    const [bun = ''] = commandOf('bun')
    await run([bun, 'build', '--compile', mainPath, '--outfile', 'sbr-bun'])
    await handOver([join(folder, 'sbr-bun')], 'single-bun.ring')
  })

  test('made by Node', async () => {
    const [node = ''] = commandOf('node 26')
    const bundle = await rolldown({
      input: mainPath,
      platform: 'node',
      external: ['koffi'],
      logLevel: 'silent',
    })
    await bundle.write({ file: join(folder, 'sbr.cjs'), format: 'cjs', codeSplitting: false })
    const made = { main: 'sbr.cjs', output: 'sbr-node', disableExperimentalSEAWarning: true }
    writeFileSync(join(folder, 'sea.json'), JSON.stringify(made))
    await run([node, '--build-sea', 'sea.json'])
    await handOver([join(folder, 'sbr-node')], 'single-node.ring')
  })
})

test('Deno needs permissions for files and for the sockets of claims, and asks for no other', async () => {
  const [deno = ''] = commandOf('deno')
  const allowed = ['--allow-read', '--allow-write', '--allow-net', '--no-prompt', '--no-check']
  const script = join(folder, 'permitted.mjs')
  const url = (name: string): string =>
    JSON.stringify(new URL(`../../dist/${name}`, import.meta.url))
  writeFileSync(
    script,
    `import { RingWriter } from ${url('index.js')}
import { FileBlockDevice } from ${url('block/file/index.js')}
const device = await FileBlockDevice.openOrCreate('permitted.ring', { sizeBytes: 1 << 20 })
const writer = await RingWriter.open(device, { createIfMissing: true })
await writer.push(new Uint8Array(3))
await writer.close()
await device.disconnect()
console.log('pushed')
`,
  )
  expect(await run([deno, 'run', ...allowed, script])).toBe('pushed\n')
})
