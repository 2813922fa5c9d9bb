import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { openFile } from '../../src/block/file/open.ts'

const SOMEBODY = 65_534

let folder: string

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'sbr-links-'))
  fs.mkdirSync(join(folder, 'private'))
  for (const name of ['private/file', 'other'])
    fs.writeFileSync(join(folder, name), Buffer.alloc(4096))
})

afterEach(() => fs.rmSync(folder, { recursive: true }))

/** Makes a link of somebody else's; who cannot give it away is somebody else from then on. */
function foreignLink(target: string, name: string): void {
  fs.symlinkSync(target, join(folder, name))
  if (process.geteuid?.() === 0) fs.lchownSync(join(folder, name), SOMEBODY, SOMEBODY)
  else becomeSomebody()
}

function becomeSomebody(): void {
  const user = vi.spyOn(process, 'geteuid').mockReturnValue(SOMEBODY)
  onTestFinished(() => user.mockRestore())
}

async function open(path: string): Promise<void> {
  const device = await FileBlockDevice.open(path, { followLinks: 'own' })
  await device.disconnect()
}

test.each([
  ['the last part', 'private/file', 'link', 'link'],
  ['a folder', 'private', 'link', 'link/file'],
  ['what the path goes back from', 'private', 'link', 'link/../private/file'],
])("a link of somebody else's is not followed: %s", async (_, target, name, path) => {
  foreignLink(target, name)
  await expect(open(`${folder}/${path}`)).rejects.toMatchObject({
    code: 'BLOCK_OPEN',
    message: expect.stringMatching(
      new RegExp(`/${name} is a symbolic link of user \\d+, who chooses`),
    ),
  })
  await (await FileBlockDevice.open(`${folder}/${path}`)).disconnect()
})

test("a link of somebody else's is not followed, even if a link of our own leads to it", async () => {
  foreignLink('private/file', 'theirs')
  fs.symlinkSync('./theirs', join(folder, 'ours'))
  await expect(open(join(folder, 'ours'))).rejects.toThrow('/theirs is a symbolic link')
})

test("links of one's own are followed, absolute and relative, and from where we are", async () => {
  fs.symlinkSync(join(folder, 'private'), join(folder, 'absolute'))
  fs.symlinkSync('../absolute/file', join(folder, 'private', 'relative'))
  await open(join(folder, 'private/relative'))
  await open(`${folder}//private/./../absolute//relative`)
  await open(relative(process.cwd(), join(folder, 'private/relative')))
  fs.symlinkSync('loop', join(folder, 'loop'))
  await expect(open(join(folder, 'loop'))).rejects.toMatchObject({ code: 'BLOCK_OPEN' })
})

test('a path that led elsewhere while it was opened is refused', async () => {
  const path = join(folder, 'name')
  foreignLink('other', 'name')
  const opening = openFile(path, { followLinks: 'own' }, async (at, flags) => {
    const fd = fs.openSync(at, flags)
    // As nobody would notice who looks at the links before or after.
    fs.rmSync(path)
    fs.writeFileSync(path, Buffer.alloc(4096))
    return fd
  })
  await expect(opening).rejects.toMatchObject({ code: 'BLOCK_OPEN' })
})

test('only these two ways are known', async () => {
  const wrong = FileBlockDevice.open(join(folder, 'other'), JSON.parse('{"followLinks":"none"}'))
  await expect(wrong).rejects.toThrow(TypeError)
})
