import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StatefulSet } from 'kubernetes-types/apps/v1.d.ts'
import type { Container } from 'kubernetes-types/core/v1.d.ts'
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest'
import { parse } from 'yaml'
import { temporaryFolder } from '../cli/cli.ts'
import { needs } from '../helpers/interop.ts'
import { withoutRegistry } from '../package/registry.ts'
import { example, type Identity, Machine } from './folder.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const units = readdirSync(join(root, 'examples/deploy/systemd')).filter((name) =>
  /\.(service|timer)$/.test(name),
)

/** Why a program cannot be used. */
function missing(program: string, debian: string): string | undefined {
  const { error } = spawnSync(program, ['--version'])
  return error && `${program} (Debian package ${debian}) cannot be started: ${error.message}`
}

describe('systemd', () => {
  const PROGRAMS = ['sbr', 'sbr-watched', 'make-jobs', 'do-job']

  test('takes the units, finds them confined, and refuses a wrong one', (context) => {
    needs(context, missing('systemd-analyze', 'systemd'))
    using folder = temporaryFolder()
    for (const name of PROGRAMS) writeFileSync(folder.file(name), '#!/bin/sh\n', { mode: 0o755 })
    for (const name of units) {
      const text = example(`systemd/${name}`).replaceAll('/usr/local/bin/', `${folder.path}/`)
      writeFileSync(folder.file(name), text)
    }
    const verify = (): string =>
      spawnSync('systemd-analyze', ['verify', ...units.map((name) => folder.file(name))], {
        encoding: 'utf8',
      }).stderr
    expect(verify()).toBe('')
    for (const name of ['jobs-writer', 'jobs-worker', 'jobs-check']) {
      const exposure = ['security', '--offline=yes', '--threshold=25']
      const { status, stdout } = spawnSync(
        'systemd-analyze',
        [...exposure, folder.file(`${name}.service`)],
        { encoding: 'utf8' },
      )
      expect([name, status, stdout]).toEqual([name, 0, expect.stringContaining('exposure level')])
    }
    const wrong = example('systemd/jobs-worker.service').replace('KillMode=mixed', 'KilMode=mixed')
    writeFileSync(folder.file('jobs-worker.service'), wrong)
    expect(verify()).toContain("Unknown key 'KilMode'")
  })

  test.for([
    ['leave', 'wc -l <looks', true],
    ['do not leave', 'echo 7', false],
    ['are not known', 'exit 1', false],
  ] as const)('its watchdog is fed with an old backlog: items %s', ([, popped, isFed]) => {
    using folder = temporaryFolder()
    const program = (name: string, text: string): void =>
      writeFileSync(folder.file(name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    const metric = 'shared_block_ring_acknowledged_items_total{device="$2"}'
    const metrics = `echo >>looks; popped=$(${popped}) && echo "${metric.replaceAll('"', '\\"')} $popped"`
    program('sbr', `[ $1 = metrics ] || exit 1\n${metrics}`)
    program('systemd-notify', 'echo "notify $*"')
    program('work', 'until [ "$(wc -l <looks)" -gt 5 ]; do sleep 0.1; done')
    const { stdout } = spawnSync(
      join(root, 'examples/deploy/systemd/sbr-watched'),
      ['jobs.img', '60m', folder.file('work')],
      {
        ...{ cwd: folder.path, encoding: 'utf8', timeout: 60_000 },
        env: { PATH: `${folder.path}:${process.env['PATH']}`, WATCHDOG_USEC: '0' },
      },
    )
    expect(stdout).toContain('notify --ready\n')
    expect(stdout.includes('notify WATCHDOG=1\n')).toBe(isFed)
  })

  test('makes the users and the directory', (context) => {
    needs(context, missing('systemd-sysusers', 'systemd'))
    using folder = temporaryFolder()
    const [users, files] = ['jobs.sysusers', 'jobs.tmpfiles'].map((name) =>
      join(root, 'examples/deploy/systemd', name),
    )
    const configuration = folder.file('etc/tmpfiles.d')
    mkdirSync(configuration, { recursive: true })
    cpSync(String(files), join(configuration, 'jobs.conf'))
    const inside = `--root=${folder.path}`
    execFileSync('systemd-sysusers', [inside, String(users)], { stdio: 'pipe' })
    const group = readFileSync(folder.file('etc/group'), 'utf8')
    expect(group).toMatch(/^jobs:x:\d+:jobs-worker,jobs-writer$/m)
    if (process.getuid?.() !== 0) return
    execFileSync('systemd-tmpfiles', [inside, '--create', '--prefix=/var/lib/jobs'])
    const { mode, gid } = statSync(folder.file('var/lib/jobs'))
    expect([mode & 0o7777, group]).toEqual([
      0o2770,
      expect.stringMatching(new RegExp(`^jobs:x:${gid}:`, 'm')),
    ])
  })
})

test('Compose takes its file, and refuses a wrong one', (context) => {
  needs(context, missing('docker-compose', 'docker-compose'))
  using folder = temporaryFolder()
  const check = (text: string): number | null => {
    writeFileSync(folder.file('compose.yaml'), text)
    return spawnSync('docker-compose', ['-f', folder.file('compose.yaml'), 'config', '-q']).status
  }
  const text = example('compose.yaml')
  expect(check(text)).toBe(0)
  expect(check(text.replace('healthcheck:', 'healthchek:'))).not.toBe(0)
})

test('the manifest of Kubernetes is of its types, and wrong ones are not', () => {
  using folder = temporaryFolder()
  const text = example('kubernetes.yaml')
  const misspelt = text.replace('mountPath:', 'mountpath:')
  const mistyped = text.replace('replicas: 1', 'replicas: one')
  const types = join(root, 'node_modules/kubernetes-types/apps/v1.d.ts')
  // A line each.
  const manifests = [text, misspelt, mistyped].map(
    (yaml, index) => `export const _${index}: StatefulSet = ${JSON.stringify(parse(yaml))}`,
  )
  const lines = [`import type { StatefulSet } from ${JSON.stringify(types)}`, ...manifests]
  writeFileSync(folder.file('manifests.ts'), lines.join('\n'))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const flags = ['--noEmit', '--strict', '--skipLibCheck', '--ignoreConfig', '--pretty', 'false']
  const modules = ['--module', 'esnext', '--moduleResolution', 'bundler']
  const { stdout } = spawnSync(
    process.execPath,
    [tsc, ...flags, ...modules, folder.file('manifests.ts')],
    { encoding: 'utf8' },
  )
  const errors = stdout.trimEnd().split('\n')
  const wrong = errors.map((error) => Number(/manifests\.ts\((\d+),/.exec(error)?.[1]))
  expect([...new Set(wrong)]).toEqual([3, 4])
  expect(stdout).toContain("'\"mountpath\"' does not exist in type 'VolumeMount'")
})

describe('a writer and a worker, two users of a group', () => {
  const WRITER: Identity = { uid: 10_001, gid: 10_000 }
  const WORKER: Identity = { uid: 10_002, gid: 10_000 }
  let machine: Machine | undefined
  /** Why there is nothing to test. */
  let problem: string | undefined

  beforeAll(async () => {
    problem =
      process.getuid?.() === 0
        ? missing('setpriv', 'util-linux')
        : 'running as several users takes root'
    if (problem !== undefined) return
    machine = new Machine()
    try {
      await machine.build(example('Dockerfile'))
    } catch (error) {
      problem = withoutRegistry(error)
    }
  }, 600_000)
  afterAll(() => machine?.[Symbol.dispose]())

  /** The machine as its Dockerfile made it. */
  function built(context: TestContext): Machine {
    needs(context, problem)
    if (machine === undefined) throw new Error('there is no machine')
    for (const name of readdirSync(join(machine.path, 'queue')))
      rmSync(join(machine.path, 'queue', name))
    return machine
  }

  /** What a unit starts, as a shell reads it: its commands, one after the other. */
  function startedBy(unit: string): readonly string[] {
    const unitText = example(`systemd/${unit}.service`)
    const lines = [...unitText.matchAll(/^ExecStart=((?:.*\\\n)*.*)$/gm)].map(([, line]) => line)
    const commands = [...lines.slice(0, -1), `exec ${lines.at(-1)}`].join(' && ')
    return ['sh', '-c', `umask 007; ${commands.replaceAll('%%', '%')}`]
  }

  test('work under systemd: what its units start', async (context) => {
    const machine = built(context)
    const done = join(machine.path, 'done')
    mkdirSync(done, { mode: 0o777 })
    execFileSync('chmod', ['777', done])
    cpSync(join(root, 'examples/deploy/systemd/sbr-watched'), join(machine.path, 'bin/sbr-watched'))
    machine.program('make-jobs', '#!/bin/sh\nseq 1 3\nexec sleep 600\n')
    machine.program('do-job', `#!/bin/sh\njob=$(cat)\ntouch ${done}/$job\necho "did $job"\n`)
    machine.program('systemd-notify', '#!/bin/sh\necho "notify $*"\n')

    expect(await machine.run(startedBy('jobs-create'), WRITER)).toMatchObject({ code: 0 })
    // Again, as after the next boot.
    expect(await machine.run(startedBy('jobs-create'), WRITER)).toMatchObject({ code: 0 })
    await using _writer = machine.start(startedBy('jobs-writer'), WRITER)
    await using worker = machine.start(startedBy('jobs-worker'), WORKER, {
      WATCHDOG_USEC: '3000000',
    })
    // In any order.
    for (const job of [1, 2, 3]) await worker.printed(new RegExp(`did ${job}\n`))
    expect(readdirSync(done).sort()).toEqual(['1', '2', '3'])
    await worker.printed(/notify --ready\n/)
    await worker.printed(/notify WATCHDOG=1\n/)
    expect(await machine.run(startedBy('jobs-check'), WORKER)).toEqual({
      code: 0,
      stdout: expect.stringMatching(/: ok, .* at work: producer and consumer\n.*: ok, .*\n$/),
    })
    worker.child.kill('SIGTERM')
    expect(await worker.ended).toMatchObject({ code: 0 })
    expect(await machine.run(startedBy('jobs-check'), WORKER)).toEqual({
      code: 1,
      stdout: expect.stringContaining(': no consumer is at work on this machine\n'),
    })
  })

  /** What a container runs, and what probes it. */
  interface Part {
    readonly argv: readonly string[]
    readonly probes: readonly (readonly string[])[]
  }

  const kubernetes = (): Readonly<Record<string, Part>> => {
    const { spec } = parse(example('kubernetes.yaml')) as StatefulSet
    const { initContainers = [], containers = [] } = spec?.template.spec ?? {}
    const part = ({ command, livenessProbe, readinessProbe }: Container): Part => ({
      argv: command ?? [],
      probes: [livenessProbe, readinessProbe].flatMap((probe) => {
        const argv = probe?.exec?.command
        return argv === undefined ? [] : [argv]
      }),
    })
    return Object.fromEntries(
      [...initContainers, ...containers].map((one) => [one.name, part(one)]),
    )
  }

  const compose = (): Readonly<Record<string, Part>> => {
    const { services } = parse(example('compose.yaml'), { merge: true }) as {
      readonly services: Readonly<
        Record<
          string,
          {
            readonly entrypoint?: readonly string[]
            readonly command?: readonly string[]
            readonly healthcheck?: { readonly test: readonly string[] }
          }
        >
      >
    }
    const parts = Object.entries(services).map(([name, service]) => {
      const { entrypoint = ['sbr'], command = [], healthcheck } = service
      const probes = healthcheck === undefined ? [] : [healthcheck.test.slice(1)]
      return [name, { argv: [...entrypoint, ...command], probes }] as const
    })
    return Object.fromEntries(parts)
  }

  test.for([
    ['Compose', compose],
    ['Kubernetes', kubernetes],
  ] as const)('work under %s: what its containers start', async ([, read], context) => {
    const machine = built(context)
    const { create, writer, worker } = read()
    if (create === undefined || writer === undefined || worker === undefined)
      throw new Error('a container is missing')
    expect(await machine.run(create.argv, WRITER)).toMatchObject({ code: 0 })
    expect(await machine.run(create.argv, WRITER)).toMatchObject({ code: 0 })
    for (const probe of worker.probes.slice(0, 1)) {
      expect(await machine.run(probe, WORKER)).toMatchObject({ code: 1 })
    }
    await using _writer = machine.start(writer.argv, WRITER)
    await using working = machine.start(worker.argv, WORKER)
    await working.printed(/:\d\d:\d\d .*\n.*:\d\d:\d\d /)
    expect(worker.probes.length).toBeGreaterThan(0)
    for (const [{ probes }, identity] of [
      [writer, WRITER],
      [worker, WORKER],
    ] as const) {
      for (const probe of probes) {
        expect(await machine.run(probe, identity)).toEqual({
          code: 0,
          stdout: expect.stringContaining(': ok, '),
        })
      }
    }
    working.child.kill('SIGTERM')
    expect(await working.ended).toMatchObject({ code: 0 })
  })
})
