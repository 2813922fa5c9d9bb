import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { apiReports, folder } from '../../scripts/api.mjs'
import { whyBuild } from '../../scripts/built.mjs'

/**
 * What the package exports is listed in `test/package/api/`, so that a change of it is seen where it is reviewed.
 */
test('the list of public names is up to date: npm run api writes it', () => {
  expect(whyBuild(), 'npm run build first').toBeUndefined()
  const listed = readdirSync(folder).map(
    (name) => [name, readFileSync(join(folder, name), 'utf8')] as const,
  )
  expect(Object.fromEntries(apiReports())).toEqual(Object.fromEntries(listed))
})

/** What exported types name, and nobody has to import: bases of classes, and what libraries declare. */
const NAMED_ONLY = [
  ...['DevicePart', 'DevicePartOptions', 'ForwardingBlockDevice'],
  ...['WrappingBlockDevice', 'WrappingOptions'],
  ...['StandardSchemaV1', 'StandardTypedV1'],
]

test('what the exported types name can be imported', () => {
  const named = [...apiReports()].flatMap(([name, report]) => {
    if (name === 'sim.txt') return []
    const [, more = ''] = report.split('What that names, and cannot be imported.')
    return [...more.matchAll(/^# (\w+)$/gm)].map(([, found]) => found)
  })
  expect([...new Set(named)].sort()).toEqual(NAMED_ONLY.sort())
})
