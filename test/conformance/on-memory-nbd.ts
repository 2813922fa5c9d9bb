import { describe, test } from 'vitest'
import { NbdBlockDevice, type NbdBlockDeviceOptions } from '../../src/block/nbd/index.ts'
import { deviceConformance, type Gate, type SentRequest } from '../../src/conformance/index.ts'
import { CachingNbd, TYPE } from '../helpers/caching-nbd.ts'
import type { Terms } from '../helpers/fake-nbd.ts'

const SIZE = 1 << 20
const EIO = 5
const FUA = 1

const OPERATIONS = new Map<number, SentRequest['operation']>([
  [TYPE.read, 'read'],
  [TYPE.write, 'write'],
  [TYPE.flush, 'flush'],
  [TYPE.trim, 'discard'],
  [TYPE.zeroes, 'writeZeroes'],
])

let servers = 0

/** A device of a server of its own, whose requests wait for the gate. */
function connect(
  terms: Terms,
  options: NbdBlockDeviceOptions,
  gate?: Gate,
): Promise<NbdBlockDevice> {
  const server = new CachingNbd({ size: SIZE, ...terms })
  server.onRequest = async ({ request: { type, flags } }) => {
    const operation = OPERATIONS.get(type)
    if (gate === undefined || operation === undefined) return 0
    return gate({ operation, durable: (flags & FUA) !== 0 }).then(
      () => 0,
      () => EIO,
    )
  }
  servers++
  return NbdBlockDevice.open(`nbd://server-${servers}/`, { ...options, dial: server.dial })
}

/** Holds the client to the suite, over a server in memory with these terms. */
export function testOnMemoryNbd(what: string, terms: Terms, options: NbdBlockDeviceOptions): void {
  describe.concurrent(`NBD, ${what}`, () => {
    deviceConformance({
      test: test.concurrent,
      open: () => connect(terms, options),
      openGated: (gate) => connect(terms, options, gate),
    })
  })
}
