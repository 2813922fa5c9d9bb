import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { mainPath, ok, temporaryFolder } from '../cli/cli.ts'
import { needs } from '../helpers/interop.ts'

const WITHOUT_INOTIFY = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
const run = promisify(execFile)

/** Runs a command as a user who has no inotify instance left. */
function withoutInotify(args: readonly string[]): Promise<{ stdout: string }> {
  return run('unshare', ['--user', '--map-root-user', 'sh', '-c', WITHOUT_INOTIFY, 'sh', ...args])
}

async function problem(): Promise<string | undefined> {
  return withoutInotify(['true']).then(
    () => undefined,
    () => 'no user namespace whose inotify instances can be limited (unshare, of util-linux)',
  )
}

test('waiting continues without an inotify instance', async (context) => {
  needs(context, await problem())
  using folder = temporaryFolder()
  const ring = folder.file('ring')
  await ok(['create', ring, '--size', '1MiB'])
  const consuming = withoutInotify([process.execPath, mainPath, 'consume', ring, '--count', '1'])
  await ok(['produce', ring], 'late\n')
  expect((await consuming).stdout).toBe('late\n')

  const watching = `
    require('node:diagnostics_channel').subscribe('shared-block-ring:watch', ({ device, error }) => console.log(device, error.code))
    import('${new URL('../../dist/block/file/index.js', import.meta.url)}').then(async ({ FileBlockDevice }) => {
      const device = await FileBlockDevice.open('${ring}')
      console.log(device.watch(() => {}).works)
      await device.disconnect()
    })`
  const { stdout } = await withoutInotify([process.execPath, '-e', watching])
  expect(stdout).toBe(`${ring} EMFILE\nfalse\n`)
})
