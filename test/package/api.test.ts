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
