import { spawnSync } from 'node:child_process'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { NbdBlockDevice, type NbdBlockDeviceOptions } from '../../src/block/nbd/index.ts'
import { type DeviceSource, deviceConformance } from '../../src/conformance/index.ts'
import { needs } from '../helpers/interop.ts'
import {
  type NbdServer,
  serverProblem,
  startNbdkit,
  startNbdServer,
  startQemuNbd,
} from '../helpers/nbd-servers.ts'
import { temporaryFolder } from './folder.ts'
import { SECTORS } from './sources.ts'

const MiB = 1 << 20

/** The suite on one export, again and again. */
function suite(
  name: string,
  program: Parameters<typeof serverProblem>[0],
  start: (folder: string) => Promise<NbdServer>,
  options: NbdBlockDeviceOptions = {},
  exportName = '',
): void {
  const problem = serverProblem(program)
  describe(name, () => {
    const folder = temporaryFolder()
    let server: NbdServer | undefined
    beforeAll(async () => {
      if (problem === undefined) server = await start(folder)
    })
    afterAll(() => server?.[Symbol.asyncDispose]())
    const open = (): Promise<NbdBlockDevice> =>
      NbdBlockDevice.open(server?.uri(exportName) ?? '', options)
    const source: DeviceSource = {
      open,
      reopen: open,
      openSecond: open,
      openReadOnly: () =>
        NbdBlockDevice.open(server?.uri(exportName) ?? '', { ...options, mode: 'read-only' }),
    }
    deviceConformance({
      ...source,
      test: (rule, run) =>
        test(rule, async (context) => {
          needs(context, problem)
          await run()
        }),
    })
  })
}

function file(folder: string, bytes: number): string {
  const path = join(folder, 'disk.img')
  writeFileSync(path, new Uint8Array(64 * 512).fill(7))
  truncateSync(path, bytes)
  return path
}

suite('nbdkit, memory', 'nbdkit', (folder) => startNbdkit(folder, ['memory', `${2 * MiB}`]))

suite(
  'nbdkit, a file, sectors of 4096 bytes, four connections',
  'nbdkit',
  (folder) => startNbdkit(folder, ['file', file(folder, SECTORS * 4096)]),
  { sectorSize: 4096, connections: 4 },
)

suite('nbdkit, blocks of 4096 bytes to 1 MiB only', 'nbdkit', (folder) =>
  startNbdkit(folder, [
    '--filter=blocksize-policy',
    'memory',
    `${SECTORS * 4096}`,
    'blocksize-minimum=4096',
    'blocksize-preferred=4096',
    'blocksize-maximum=1M',
    'blocksize-error-policy=error',
  ]),
)

suite(
  'nbdkit that knows no FUA, no zeroes, no extents and one connection',
  'nbdkit',
  (folder) =>
    startNbdkit(folder, [
      '--filter=noextents',
      '--filter=nozero',
      '--filter=fua',
      '--filter=multi-conn',
      'memory',
      `${2 * MiB}`,
      'multi-conn-mode=disable',
    ]),
  { connections: 4 },
)

suite('nbdkit without structured replies', 'nbdkit', (folder) =>
  startNbdkit(folder, ['--no-sr', 'memory', `${2 * MiB}`]),
)

suite(
  'qemu-nbd',
  'qemu-nbd',
  (folder) => startQemuNbd(folder, ['-f', 'raw', file(folder, 2 * MiB)]),
  { connections: 2 },
  'exp',
)

suite(
  'qemu-nbd, qcow2',
  'qemu-nbd',
  (folder) => {
    const image = join(folder, 'disk.qcow2')
    spawnSync('qemu-img', ['create', '-f', 'qcow2', image, `${2 * MiB}`])
    return startQemuNbd(folder, ['-f', 'qcow2', '--discard=unmap', image])
  },
  { durability: 'flush' },
  'exp',
)

suite(
  'nbd-server',
  'nbd-server',
  (folder) => startNbdServer(folder, file(folder, 2 * MiB)),
  {},
  'exp',
)
