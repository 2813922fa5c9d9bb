import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'vitest'
import { SEED } from '../helpers/seed.ts'
import { expectSound } from './sound.ts'

const IMAGES = 10_000
const TIMEOUT_MS = 600_000

test('damaged images come to items that were pushed, or to an error of the package', {
  timeout: TIMEOUT_MS,
}, async () => {
  // A process of its own: what does not end can be ended.
  const script = fileURLToPath(new URL('fuzz.mjs', import.meta.url))
  const args = [script, '--images', String(IMAGES), '--from', String(SEED), '--json']
  const run = await promisify(execFile)(process.execPath, args, {
    timeout: TIMEOUT_MS - 10_000,
  }).catch((error: { readonly stdout: string }) => error)
  expectSound(JSON.parse(run.stdout), IMAGES)
})
