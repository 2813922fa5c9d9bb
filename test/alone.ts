/**
 * Files of `npm test` that replace modules, count what V8 executes, or change what a process has once: each has a process of its own. The others share processes,
 * where a module is loaded and compiled once for many of them.
 */
export const ALONE: readonly string[] = [
  'test/block/file-replaced.test.ts',
  'test/block/file-without-koffi.test.ts',
  'test/block/file.test.ts',
  'test/crc32c.property.test.ts',
  'test/ring/push-queue-cost.test.ts',
]
