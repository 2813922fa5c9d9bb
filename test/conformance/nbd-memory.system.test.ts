import { ALL_FLAGS } from '../helpers/fake-nbd.ts'
import { testOnMemoryNbd } from './on-memory-nbd.ts'

const maximum = 64 << 10
testOnMemoryNbd('in one piece', {}, {})
testOnMemoryNbd('in pieces, one at a time', { maximum }, { maxInFlight: 1 })
testOnMemoryNbd('of a server that makes no zeroes', { maximum, flags: ALL_FLAGS & ~0x40 }, {})
