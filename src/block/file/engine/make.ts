import type { FileBlockDeviceOptions } from '../options.ts'
import { AdaptiveEngine } from './adaptive.ts'
import type { Engine } from './engine.ts'
import { poolEngine } from './pool.ts'
import { syncEngine } from './sync.ts'

/** Makes the named engine for one device; a custom engine is returned unchanged. */
export function makeEngine(engine: NonNullable<FileBlockDeviceOptions['engine']>): Engine {
  switch (engine) {
    case 'pool':
      return poolEngine
    case 'sync':
      return syncEngine
    case 'adaptive':
      return new AdaptiveEngine(syncEngine, poolEngine)
    default:
      return engine
  }
}
