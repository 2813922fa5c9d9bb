import { describe, test } from 'vitest'
import type { FileBlockDeviceOptions } from '../../src/block/file/index.ts'
import { deviceConformance } from '../../src/conformance/index.ts'
import { temporaryFolder } from './folder.ts'
import { fileSource } from './sources.ts'

/** How a file is opened, and whether {@link FileBlockDevice.create} has made it. */
export interface OnFile extends FileBlockDeviceOptions {
  readonly made?: boolean
}

/** Holds files to the suite. */
export function testOnFile({ made = false, ...options }: OnFile): void {
  describe.concurrent(`a file${made ? ', made' : ''}, ${JSON.stringify(options)}`, () => {
    deviceConformance({
      test: test.concurrent,
      ...fileSource(temporaryFolder(), options, made ? 'made' : 'found'),
    })
  })
}
