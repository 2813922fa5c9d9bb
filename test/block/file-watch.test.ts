import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { watchFile } from '../../src/block/file/watch.ts'
import { temporaryFolder } from '../cli/cli.ts'

test('a watch that cannot be had is told of once, and says that it does not work', () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'ring')
  const told: unknown[] = []
  const listen = (message: unknown): void => {
    told.push(message)
  }
  subscribe('shared-block-ring:watch', listen)
  try {
    writeFileSync(path, '')
    const watch = watchFile(path, () => undefined)
    expect(watch.works).toBe(true)
    watch.close()
    expect(told).toEqual([])
    rmSync(path)
    const missing = watchFile(path, () => undefined)
    expect(missing.works).toBe(false)
    missing.close()
    expect(told).toMatchObject([{ device: path, error: { code: 'ENOENT' } }])
  } finally {
    unsubscribe('shared-block-ring:watch', listen)
  }
})
