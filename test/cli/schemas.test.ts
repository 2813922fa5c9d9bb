import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { path, schemas, schemasJson } from '../../scripts/schemas.mjs'
import { buildApp } from '../../src/cli/app.ts'
import { commandsIn, entriesOf, isRouteMap } from '../../src/cli/help/document.ts'

test('docs/schemas.json is up to date: npm run schemas writes it', () => {
  expect(readFileSync(path, 'utf8')).toBe(schemasJson())
})

test('each command that takes --json has a schema', async () => {
  const { root } = await buildApp(undefined, () => undefined)
  if (!isRouteMap(root)) throw new Error('expected several commands')
  const commands = entriesOf(root)
    .flatMap(([name, route]) => commandsIn(name, route))
    .filter(({ flags }) => flags.some(([flag]) => flag === '--json'))
    .map(({ name }) => name)
  const named = Object.keys(schemas).filter((name) => name !== 'error' && name !== 'event')
  expect(named.sort()).toEqual(commands.sort())
})
