import { testInRuntimes } from './bundle.ts'

// The suite for devices, and the tests nearest to what a program calls: of files, claims and rings.
testInRuntimes([
  'test/conformance/device.test.ts',
  'test/conformance/file.test.ts',
  'test/block/claim/claim.test.ts',
  'test/block/claim/protocol.test.ts',
  'test/block/file.test.ts',
  'test/block/file-engine.test.ts',
  'test/block/file-io.test.ts',
  'test/ring/ack.test.ts',
  'test/ring/golden.test.ts',
  'test/ring/reader.test.ts',
  'test/ring/suspend.test.ts',
  'test/ring/wait.test.ts',
  'test/ring/writer.test.ts',
  'test/ring/format2/golden.test.ts',
])
