import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const example = fileURLToPath(new URL('../../examples/outbox.mjs', import.meta.url))
const page = fileURLToPath(new URL('../../docs/outbox.md', import.meta.url))

test('the worked example loses no accepted order', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [example])
  expect(stdout).toMatch(/The shop was killed \(SIGKILL\)/)
  expect(stdout).toMatch(/Saved: order-1,order-2. Published: order-1.$/m)
  expect(stdout).toMatch(/All \d accepted orders are saved and published: order-1,order-2,order-3/)
})

test('the page shows what the example does', () => {
  const source = readFileSync(example, 'utf8')
  const blocks = [...readFileSync(page, 'utf8').matchAll(/```js\n(.*?)```/gs)].map(
    ([, code = '']) => code.trim(),
  )
  const shown = blocks.flatMap((block) => block.split(/\n\n(?=async function)/))
  const functions = shown.filter((code) => code.startsWith('async function'))
  expect(functions).toHaveLength(4)
  for (const code of functions) expect(source).toContain(code)
})
