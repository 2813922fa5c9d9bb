// Where results are written.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of results that nobody else has seen; not in the repository. */
export const RESULTS = fileURLToPath(new URL('../results', import.meta.url))

/** Writes a result as NAME.json, and a chart of it, if there is one, as NAME.svg. Answers the path of the first. */
export async function writeResult(folder, name, result, chart) {
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${name}.json`)
  await writeFile(path, `${JSON.stringify(result, undefined, 2)}\n`)
  if (chart !== undefined) await writeFile(join(folder, `${name}.svg`), chart)
  return path
}
