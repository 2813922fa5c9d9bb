/**
 * Files of `npm test` that replace modules, count what V8 executes or how much memory is held, or change what a process
 * has once: each has a process of its own. The others share processes, where a module is loaded and compiled once for
 * many of them.
 */
export const ALONE: readonly string[] = [
  'test/block/file-replaced.test.ts',
  'test/block/file-without-koffi.test.ts',
  'test/block/file.test.ts',
  'test/block/other-systems.test.ts',
  'test/crc32c.property.test.ts',
  'test/fuzz/fuzz.test.ts',
  'test/fuzz/hostile/commands/commands.test.ts',
  'test/fuzz/hostile/hostile.test.ts',
  'test/fuzz/regressions/errors-and-loops.test.ts',
  'test/fuzz/regressions/images-4827-26133-27429.test.ts',
  'test/ring/deliveries-cost.test.ts',
  'test/ring/format2/far.test.ts',
  'test/ring/push-queue-cost.test.ts',
  'test/ring/tools.test.ts',
]
