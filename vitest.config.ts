import { availableParallelism } from 'node:os'
import {
  defineConfig,
  type TestProjectInlineConfiguration,
  type ViteUserConfig,
} from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { ALONE } from './test/alone.ts'
import { ClosingLines } from './test/closing-lines.ts'

/**
 * A test file says by its name which command runs it: `npm test`, `npm run test:system` or `npm run test:proofs`.
 * Properties are in two: few runs and pinned seeds in the first, many and new ones in the last.
 */
const KINDS = {
  quick: ['.test.ts', '.property.test.ts'],
  system: ['.system.test.ts'],
  proofs: ['.proof.test.ts', '.property.test.ts'],
} as const

/** Tests that hold for both formats; they ask `test/helpers/format.ts` which one they run with. */
const BOTH_FORMATS = [
  'test/cli/{diagnostics,items,journal,suspend}',
  'test/journal/{journal,model,policy,start,weaknesses}',
  'test/ring/{ack,last-resort,lazy-ack,own-items,reader,refused,suspend,wait,writer}',
  'test/streams/*',
]

const projects = (Object.keys(KINDS) as (keyof typeof KINDS)[]).flatMap((kind) =>
  ([2, 1] as const).map((format): TestProjectInlineConfiguration => {
    const stems = format === 2 ? ['test/**/*'] : BOTH_FORMATS
    return {
      extends: true,
      test: {
        name: `${kind}, format ${format}`,
        include: stems.flatMap((stem) => KINDS[kind].map((ending) => stem + ending)),
        ...(kind === 'quick' && {
          exclude: ['**/*.{system,proof}.test.ts', ...ALONE],
          isolate: false,
        }),
        ...(kind === 'proofs' && { testTimeout: 1_800_000 }),
        provide: { format, kind },
      },
    }
  }),
)

projects.push({
  extends: true,
  test: {
    name: 'quick, alone',
    include: [...ALONE],
    provide: { format: 2, kind: 'quick' },
  },
})

/** The files of a project follow each other, because only they can share a process. */
class ByProject extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.sort((a, b) => a.project.name.localeCompare(b.project.name))
  }
}

const config: ViteUserConfig = defineConfig({
  test: {
    // Most tests wait for disks and processes: a worker for each core would leave some idle.
    maxWorkers: availableParallelism() + 1,
    // Only what hangs takes so long.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    retry: 0,
    setupFiles: ['test/setup.ts'],
    sequence: { sequencer: ByProject },
    reporters: ['default', new ClosingLines()],
    // `npm test -- --coverage`, as .ci/run does. What needs a server, a disk or a crash is covered by `npm run test:system`, not here.
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'html'],
      reportsDirectory: '.coverage',
      // A little below what it is: raise them with it.
      thresholds: { statements: 84, branches: 77, functions: 84, lines: 85 },
    },
    projects,
  },
})

export default config
