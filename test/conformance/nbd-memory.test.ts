import { MULTI_CONN_FLAGS } from '../helpers/fake-nbd.ts'
import { testOnMemoryNbd } from './on-memory-nbd.ts'

// nbd-memory.system.test.ts has more of them.
const maximum = 64 << 10
testOnMemoryNbd('in pieces', { maximum }, {})
testOnMemoryNbd('without FUA', { maximum }, { durability: 'flush' })
testOnMemoryNbd(
  'over several connections',
  { maximum, flags: MULTI_CONN_FLAGS },
  { connections: 3, maxInFlight: 2 },
)
