import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'vitest'
import { SEED } from '../helpers/seed.ts'
import type { Report } from './run.ts'
import { expectHarmless, expectSound } from './sound.ts'

const IMAGES = 3000
const HOSTILE_IMAGES = 300
const TIMEOUT_MS = 600_000

/** Goes through images in a process of its own: what does not end can be ended. */
async function fuzzed(images: number, ...flags: readonly string[]): Promise<Report> {
  const script = fileURLToPath(new URL('fuzz.mjs', import.meta.url))
  const args = [script, ...flags, '--images', String(images), '--from', String(SEED), '--json']
  const run = await promisify(execFile)(process.execPath, args, {
    timeout: TIMEOUT_MS - 10_000,
  }).catch((error: { readonly stdout: string }) => error)
  return JSON.parse(run.stdout)
}

test('damaged images come to items that were pushed, or to an error of the package', {
  timeout: TIMEOUT_MS,
}, async () => {
  expectSound(await fuzzed(IMAGES), IMAGES)
})

test('hostile images do so as well, and take neither memory nor time without bound', {
  timeout: TIMEOUT_MS,
}, async () => {
  expectHarmless(await fuzzed(HOSTILE_IMAGES, '--hostile', '--workers', '1'), HOSTILE_IMAGES)
})
