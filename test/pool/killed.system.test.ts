import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { Pool } from '../../src/pool/index.ts'
import { verifyRing } from '../../src/ring/maintenance/verify.ts'
import { Random } from '../../src/sim/world/random.ts'
import { temporaryFolder } from '../cli/cli.ts'
import { SEED } from '../helpers/seed.ts'
import { itemsOf, namesIn, put, UNIT } from './pools.ts'

const script = fileURLToPath(new URL('changer.mjs', import.meta.url))
const ROUNDS = 12

/** Runs the changer, and kills it some time after it has begun. */
async function changesUntilKilled(path: string, ms: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, [script, path])
  let said = ''
  let complaint = ''
  child.stdout.on('data', (chunk: Buffer) => {
    // It has to be at work before the time begins.
    if (said === '') setTimeout(() => child.kill('SIGKILL'), ms)
    said += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString()
  })
  await once(child, 'close')
  expect([child.signalCode, complaint]).toEqual(['SIGKILL', ''])
  return said.trimEnd().split('\n')
}

test('a pool whose changes are killed at random can be listed, verified and used', {
  timeout: 120_000,
}, async () => {
  using folder = temporaryFolder()
  const random = new Random(SEED)
  const path = folder.file('pool.img')
  const made = await FileBlockDevice.create(path, { sizeBytes: 4 << 20 })
  await Pool.create(made)
  const first = await Pool.open(made)
  await first.add('kept', { sizeBytes: UNIT })
  await put(await first.open('kept'), 'item')
  await made.disconnect()
  let there: readonly string[] = ['kept']
  let changes = 0
  for (let round = 0; round < ROUNDS; round++) {
    const said = await changesUntilKilled(path, random.between(0, 150))
    changes += said.length
    const expected = new Set(there)
    for (const change of said) {
      if (change.startsWith('+')) expected.add(change.slice(1))
      else expected.delete(change.slice(1))
    }
    await using device = await FileBlockDevice.open(path)
    const pool = await Pool.open(device)
    there = await namesIn(pool)
    // The change that was interrupted has happened, or not.
    const odd = [...new Set([...there, ...expected])].filter(
      (name) => there.includes(name) !== expected.has(name),
    )
    expect(odd.length).toBeLessThanOrEqual(1)
    for (const name of there) {
      await using ring = await pool.open(name)
      expect((await verifyRing(ring)).sound).toBe(true)
      const items = await itemsOf(ring)
      expect(name === 'kept' ? ['item'] : [name, undefined]).toContain(items[0])
    }
    await pool.add('new', { sizeBytes: UNIT })
    await put(await pool.open('new'), 'x')
    await pool.remove('new', { discardItems: true })
  }
  expect(changes).toBeGreaterThan(ROUNDS)
})
