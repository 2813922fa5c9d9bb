import { availableParallelism } from 'node:os'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** What holds for both formats, and asks `test/helpers/format.ts` for the one that it is run with. */
const bothFormats = [
  'test/cli/{diagnostics,items,journal,suspend}.test.ts',
  'test/journal/{journal,model,policy,start,weaknesses}.test.ts',
  'test/ring/{face,lazy-advance,wait}.test.ts',
  'test/streams/*.test.ts',
]

const config: ViteUserConfig = defineConfig({
  test: {
    // Most tests wait for disks and processes: a worker for each core would leave some idle.
    maxWorkers: availableParallelism() + 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    retry: 0,
    projects: [
      {
        extends: true,
        test: { name: 'format 2', include: ['test/**/*.test.ts'], provide: { format: 2 } },
      },
      {
        extends: true,
        test: { name: 'format 1', include: bothFormats, provide: { format: 1 } },
      },
    ],
  },
})

export default config
