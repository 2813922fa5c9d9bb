import { execFile } from 'node:child_process'
import { chmodSync, lchownSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { jsonError, mainPath, ok, sbr, temporaryFolder } from './cli.ts'

const NOBODY = 65_534

function modeOf(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8)
}

/** Runs a command under a umask. */
async function under(umask: string, ...args: readonly string[]): Promise<void> {
  const script = `umask ${umask}; exec "$@"`
  await promisify(execFile)('sh', ['-c', script, 'sh', process.execPath, mainPath, ...args])
}

describe('who may use a new file', () => {
  test('is this user alone, or who is said by --mode, less the umask', async () => {
    using folder = temporaryFolder()
    const ring = folder.file('ring')
    await under('000', 'create', ring, '--size', '64KiB')
    expect(modeOf(ring)).toBe('600')
    for (const [umask, mode, becomes] of [
      ['007', '0660', '660'],
      ['022', '660', '640'],
      ['077', '666', '600'],
    ] as const) {
      const path = folder.file(`${umask}-${mode}`)
      await under(umask, 'create', path, '--size', '64KiB', '--mode', mode)
      expect(modeOf(path), `${mode} under ${umask}`).toBe(becomes)
    }
    await under('000', 'create', ring, '--mode', '0666')
    expect(modeOf(ring)).toBe('600')
    for (const mode of ['0777', '0400', '66', '8', '01600', 'u=rw']) {
      const refused = await sbr(['create', folder.file('none'), '--mode', mode, '--json'])
      expect([refused.code, jsonError(refused)], mode).toMatchObject([2, { code: 'CLI_USAGE' }])
    }
  })

  test('is who may use what it is a copy of, or was moved from', async () => {
    using folder = temporaryFolder()
    const [ring, copy, moved] = ['ring', 'copy', 'moved'].map(folder.file) as [
      string,
      string,
      string,
    ]
    await ok(['create', ring, '--size', '64KiB'])
    chmodSync(ring, 0o640)
    await under('000', 'device', 'copy', ring, copy)
    await under('000', 'migrate', ring, moved, '--size', '64KiB')
    expect([copy, moved].map(modeOf)).toEqual(['640', '640'])
    await under('000', 'device', 'copy', ring, folder.file('wider'), '--mode', '0660')
    expect(modeOf(folder.file('wider'))).toBe('660')
    chmodSync(ring, 0o444)
    await under('027', 'device', 'copy', ring, folder.file('narrower'))
    expect(modeOf(folder.file('narrower'))).toBe('640')
  })

  test('is nobody else', async (context) => {
    needs(context, process.getuid?.() === 0 ? undefined : 'only root can become another user')
    using folder = temporaryFolder()
    chmodSync(folder.path, 0o755)
    const path = folder.file('ring')
    await ok(['create', path, '--size', '64KiB'])
    const asNobody = (...args: readonly string[]): Promise<{ readonly stdout: string }> =>
      promisify(execFile)(process.execPath, [mainPath, ...args], { uid: NOBODY, gid: NOBODY })
    const refused = { code: 1, stderr: expect.stringContaining('permission denied') }
    await expect(asNobody('diagnostics', path)).rejects.toMatchObject(refused)
    await expect(asNobody('consume', path, '--drain')).rejects.toMatchObject(refused)
    chmodSync(path, 0o644)
    expect((await asNobody('diagnostics', path)).stdout).toContain('format')
    await expect(asNobody('consume', path, '--drain')).rejects.toMatchObject(refused)
  })
})

describe('--force', () => {
  test("does not go through a link of somebody else's", async (context) => {
    needs(
      context,
      process.getuid?.() === 0 ? undefined : 'only root can make links of another user',
    )
    using folder = temporaryFolder()
    const [precious, link] = [folder.file('precious'), folder.file('link')]
    const content = Buffer.alloc(65_536, 'somebody else wants this')
    writeFileSync(precious, content)
    symlinkSync(precious, link)
    lchownSync(link, NOBODY, NOBODY)
    await ok(['create', folder.file('from'), '--size', '64KiB'])
    const commands = [
      ['create', link],
      ['create', link, '--erase'],
      ['device', 'erase', link],
      ['device', 'copy', folder.file('from'), link],
    ]
    for (const command of commands) {
      const refused = await sbr([...command, '--force', '--json'])
      expect([refused.code, jsonError(refused)], command.join(' ')).toMatchObject([
        1,
        { code: 'BLOCK_OPEN', message: expect.stringContaining('symbolic link of user 65534') },
      ])
    }
    expect(readFileSync(precious).equals(content)).toBe(true)
    lchownSync(link, 0, 0)
    await ok(['create', link, '--force'])
  })
})
