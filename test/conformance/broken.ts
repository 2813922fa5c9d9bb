import type { BlockDevice, BlockInfo, ClaimOptions } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { ForwardingBlockDevice } from '../../src/block/wrap/forward.ts'

/** A mistake that a back-end could make, and the case that has to find it. */
export interface Mistake {
  readonly what: string
  readonly foundBy: string
  /** Default `partition`, which can be reopened and opened twice, but not resized. */
  readonly over?: 'memory'
  /** What a device that makes the mistake does differently from a right one. */
  make(device: BlockDevice, info: BlockInfo): Partial<BlockDevice>
}

/** A device of which a test replaces something. */
export class BrokenBlockDevice extends ForwardingBlockDevice {}

/** A device that makes a mistake. */
export async function makeMistake(mistake: Mistake, device: BlockDevice): Promise<BlockDevice> {
  const broken = new BrokenBlockDevice(device)
  const changed = mistake.make(device, await device.getInfo())
  return Object.defineProperties(broken, Object.getOwnPropertyDescriptors(changed))
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const lengthOf = (buffers: readonly Uint8Array[]): number =>
  buffers.reduce((total, buffer) => total + buffer.length, 0)

/** The bytes of the buffers that lie before `bytes`. */
function upTo(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes
  return buffers.map((buffer) => {
    const part = buffer.subarray(0, Math.max(0, left))
    left -= buffer.length
    return part
  })
}

const transfer: readonly Mistake[] = [
  {
    what: 'answers Ok from the wrong place',
    foundBy: 'read answers what was written, each sector at its place',
    make: (device) => ({
      read: (sector, buffers) => device.read(sector > 0 ? sector - 1 : 0, buffers),
    }),
  },
  {
    what: 'is off by one at the end',
    foundBy: 'the last sector is written and read, and the size stays',
    make: (device, { sizeSectors, sectorSize }) => ({
      write: (sector, buffers) =>
        device.write(sector, upTo(buffers, (sizeSectors - 1 - sector) * sectorSize)),
    }),
  },
  {
    what: 'does not take an empty list',
    foundBy: 'an empty list of buffers transfers nothing, also at the end',
    make: (device, { sizeSectors }) => ({
      read: async (sector, buffers) => {
        if (sector >= sizeSectors) throw new RangeError('beyond the end')
        await device.read(sector, buffers)
      },
    }),
  },
  {
    what: 'stops at an empty buffer',
    foundBy: 'empty buffers in a list transfer nothing',
    make: (device) => ({
      write: (sector, buffers) => {
        const empty = buffers.findIndex((buffer) => buffer.length === 0)
        return device.write(sector, empty < 0 ? buffers : buffers.slice(0, empty))
      },
    }),
  },
  {
    what: 'ignores the last buffers of a long list',
    foundBy: 'a list of more than 1024 buffers is transferred in full',
    make: (device) => ({
      read: (sector, buffers) => device.read(sector, buffers.slice(0, 1024)),
    }),
  },
  {
    what: 'takes all buffers to be as long as the first',
    foundBy: 'buffers of differing lengths follow each other',
    make: (device) => ({
      write: (sector, buffers) =>
        device.write(
          sector,
          buffers.map((each) => each.subarray(0, buffers[0]?.length)),
        ),
    }),
  },
  {
    what: 'takes a short transfer for a whole one',
    foundBy: 'a big transfer is done in full',
    make: (device) => ({
      write: (sector, buffers) => device.write(sector, upTo(buffers, 1 << 20)),
    }),
  },
  {
    what: 'forgets that a buffer starts somewhere in its memory',
    foundBy: 'memory may lie at any address, and only the buffer is touched',
    make: (device) => ({
      write: (sector, buffers) =>
        device.write(
          sector,
          buffers.map(({ buffer, length }) => new Uint8Array(buffer, 0, length)),
        ),
    }),
  },
  {
    what: 'reads more than the buffer',
    foundBy: 'memory may lie at any address, and only the buffer is touched',
    make: (device) => ({
      read: async (sector, buffers) => {
        await device.read(sector, buffers)
        for (const { buffer, byteOffset } of buffers)
          new Uint8Array(buffer, byteOffset - 1).set([0])
      },
    }),
  },
  {
    what: 'hands out the same memory twice',
    foundBy: 'allocate answers zeroed memory of its own',
    make: () => {
      const pool = new Uint8Array(1 << 20)
      return { allocate: (bytes) => pool.subarray(0, bytes) }
    },
  },
  {
    what: 'answers at once what it remembers',
    foundBy: 'readNow answers what was written last, or false',
    make: (device) => {
      const kept = new Map<number, Uint8Array>()
      return {
        readNow: (sector, buffer) => {
          const isThere = kept.has(sector) || device.readNow?.(sector, buffer) === true
          if (isThere && !kept.has(sector)) kept.set(sector, buffer.slice())
          buffer.set(kept.get(sector) ?? [])
          return isThere
        },
      }
    },
  },
  {
    what: 'keeps the caller’s buffer by reference',
    foundBy: 'a settled buffer and its list are the caller’s again',
    make: (device) => {
      const kept = new Map<number, readonly Uint8Array[]>()
      return {
        write: async (sector, buffers) => {
          kept.set(sector, buffers)
          await device.write(sector, buffers)
        },
        read: async (sector, buffers) => {
          for (const [at, each] of kept) await device.write(at, each)
          await device.read(sector, buffers)
        },
      }
    },
  },
  {
    what: 'shares one bounce buffer between requests',
    foundBy: 'requests in flight at the same time do not disturb each other',
    make: (device) => {
      const bounce = new Uint8Array(16 << 20)
      return {
        read: async (sector, buffers) => {
          const bytes = bounce.subarray(0, lengthOf(buffers))
          await device.read(sector, [bytes])
          await wait(1)
          buffers[0]?.set(bytes)
        },
      }
    },
  },
]

const misuse: readonly Mistake[] = [
  {
    what: 'makes a number of whatever it gets',
    foundBy: 'what is no sector number is refused before any I/O',
    make: (device) => ({ read: (sector, buffers) => device.read(Math.trunc(sector), buffers) }),
  },
  {
    what: 'writes before it checks the sector count',
    foundBy: 'what is no sector number is refused before any I/O',
    make: (device) => ({
      writeZeroes: async (sector, sectors) => {
        if (sector === 0) await device.writeZeroes(0, 1)
        await device.writeZeroes(sector, sectors)
      },
    }),
  },
  {
    what: 'writes what fits before the end',
    foundBy: 'a request beyond the end is refused before any I/O',
    make: (device, { sizeSectors, sectorSize }) => ({
      write: async (sector, buffers) => {
        const fits = upTo(buffers, (sizeSectors - sector) * sectorSize)
        if (sector < sizeSectors) await device.write(sector, fits)
        await device.write(sector, buffers)
      },
    }),
  },
  {
    what: 'looks at the sum of the buffers’ lengths only',
    foundBy: 'buffers that are no whole sectors are refused before any I/O',
    make: (device) => ({
      write: (sector, buffers) => {
        const whole = new Uint8Array(lengthOf(buffers))
        let at = 0
        for (const buffer of buffers) {
          whole.set(buffer, at)
          at += buffer.length
        }
        return device.write(sector, [whole])
      },
    }),
  },
  {
    what: 'writes the good buffers before it looks at the next',
    foundBy: 'what are no buffers is refused before any I/O',
    make: (device, { sectorSize }) => ({
      write: async (sector, buffers) => {
        if (!Array.isArray(buffers)) throw new TypeError('no array')
        for (const [index, buffer] of buffers.entries()) {
          await device.write(sector + (index * lengthOf([buffer])) / sectorSize, [buffer])
        }
      },
    }),
  },
  {
    what: 'clears the buffers before it checks the request',
    foundBy: 'a refused read leaves the buffers as they were',
    make: (device) => ({
      read: async (sector, buffers) => {
        for (const buffer of buffers) buffer.fill(0)
        await device.read(sector, buffers)
      },
    }),
  },
]

const storage: readonly Mistake[] = [
  {
    what: 'says 0 for the size, as stat does of a raw device',
    foundBy: 'getInfo and capabilities say what the device is',
    make: (_, info) => ({ getInfo: async () => ({ ...info, sizeSectors: 0 }) }),
  },
  {
    what: 'does nothing where it cannot',
    foundBy: 'an operation without its capability answers BLOCK_UNSUPPORTED',
    make: () => ({ resize: async () => {} }),
  },
  {
    what: 'writes durably to a log that is never read',
    foundBy: 'a durable write can be read',
    make: (device) => ({
      write: async (sector, buffers, options) => {
        if (options?.durable !== true) await device.write(sector, buffers)
      },
    }),
  },
  {
    what: 'fails to flush when nothing was written',
    foundBy: 'flush changes nothing that can be read',
    make: () => ({ flush: () => Promise.reject(new Error('nothing to flush')) }),
  },
  {
    what: 'keeps what is written to itself',
    foundBy: 'flushed and durable sectors outlive the handle',
    make: (_, info) => privately(info),
  },
  {
    what: 'keeps what is written to itself',
    foundBy: 'a second handle sees what was written',
    make: (_, info) => privately(info),
  },
  {
    what: 'zeroes one sector too many',
    foundBy: 'writeZeroes zeroes its sectors and no others',
    make: (device) => ({
      writeZeroes: (sector, sectors) => device.writeZeroes(sector, sectors && sectors + 1),
    }),
  },
  {
    what: 'discards without keeping the size',
    foundBy: 'discard keeps the size and the sectors around',
    over: 'memory',
    make: (device) => ({
      discard: async (sector, sectors) => {
        const { sizeSectors } = await device.getInfo()
        await device.discard(sector, sectors)
        if (sectors > 0 && sector + sectors === sizeSectors) await device.resize(sector)
      },
    }),
  },
  {
    what: 'asks for its size once',
    foundBy: 'resize grows, and getInfo queries the device again',
    over: 'memory',
    make: (_, info) => ({ getInfo: async () => info }),
  },
  {
    what: 'shrinks in name only',
    foundBy: 'resize shrinks, and sectors come back as zeroes',
    over: 'memory',
    make: (device, info) => {
      let { sizeSectors } = info
      return {
        getInfo: async () => ({ ...info, sizeSectors }),
        resize: async (sectors) => {
          sizeSectors = sectors
          if (sectors > info.sizeSectors) await device.resize(sectors)
        },
      }
    },
  },
  {
    what: 'takes data for a hole',
    foundBy: 'seekMapped and seekUnmapped agree with the data',
    make: (_, { sizeSectors }) => ({ seekMapped: async () => sizeSectors }),
  },
  {
    what: 'takes what follows data for a hole',
    foundBy: 'seekMapped and seekUnmapped agree with the data',
    make: (device) => ({
      seekUnmapped: async (sector) => {
        const hole = await device.seekUnmapped(sector)
        return hole === sector ? hole : sector
      },
    }),
  },
]

function privately({ sectorSize, sizeSectors }: BlockInfo): Partial<BlockDevice> {
  const cache = new MemoryBlockDevice({ sectorSize, sizeSectors })
  return {
    read: (sector, buffers) => cache.read(sector, buffers),
    write: (sector, buffers) => cache.write(sector, buffers),
  }
}

const roles: readonly Mistake[] = [
  {
    what: 'gives a role to everybody',
    foundBy: 'a role has one holder, and a refusal names it',
    make: () => ({ claim: async () => ({ release: async () => {} }) }),
  },
  {
    what: 'releases a role that has passed on to another',
    foundBy: 'a role has one holder, and a refusal names it',
    make: (device) => {
      const held = new Map<string, { release(): Promise<void> }>()
      return {
        claim: async (role, options) => {
          held.set(role, await device.claim(role, options))
          return { release: async () => held.get(role)?.release() }
        },
      }
    },
  },
  {
    what: 'keeps claims to itself',
    foundBy: 'a role is exclusive between handles, until the holder’s disconnects',
    make: (_, { sectorSize }) => {
      const own = new MemoryBlockDevice({ sectorSize, sizeSectors: 1 })
      return {
        claim: (role, options) => own.claim(role, options),
        ask: (role, request) => own.ask(role, request),
      }
    },
  },
  {
    what: 'takes any name for a role',
    foundBy: 'what is no role name is refused',
    make: (device) => ({
      claim: (role, options) => device.claim(role === 'a/b' ? 'a-b' : role, options),
    }),
  },
  {
    what: 'answers for a holder that is not there',
    foundBy: 'ask is answered by the holder alone',
    make: (device) => ({ ask: async (role, request) => (await device.ask(role, request)) ?? '' }),
  },
  {
    what: 'names a holder that has left',
    foundBy: 'holderOf names the holder of a role alone',
    make: (device) => {
      const last = new Map<string, string>()
      return {
        claim: (role, options) => {
          last.set(role, options.holder)
          return device.claim(role, options)
        },
        holderOf: async (role) => {
          const holder = last.get(role)
          return holder === undefined ? undefined : { holder }
        },
      }
    },
  },
  {
    what: 'answers in the name of a holder that fails',
    foundBy: 'ask gives up on a holder that does not answer',
    make: (device) => ({
      claim: (role, options: ClaimOptions) =>
        device.claim(role, { ...options, onRequest: async () => 'no answer' }),
    }),
  },
  {
    what: 'watches on after close',
    foundBy: 'watch reports changes until it is closed',
    make: (device) => ({
      watch: (onChange) => {
        device.watch(onChange)
        return { works: true, close: () => {} }
      },
    }),
  },
  {
    what: 'never reports a change',
    foundBy: 'watch reports changes until it is closed',
    make: () => ({ watch: () => ({ works: true, close: () => {} }) }),
  },
  {
    what: 'reports its own changes only',
    foundBy: 'watch reports what another handle writes',
    make: (device) => {
      const watchers = new Set<() => void>()
      return {
        watch: (onChange) => {
          watchers.add(onChange)
          return { works: true, close: () => watchers.delete(onChange) }
        },
        write: async (sector, buffers) => {
          await device.write(sector, buffers)
          for (const onChange of watchers) onChange()
        },
      }
    },
  },
]

const lifecycle: readonly Mistake[] = [
  {
    what: 'goes on after disconnect',
    foundBy: 'after disconnect everything answers BLOCK_DISCONNECTED',
    make: () => ({ disconnect: async () => {} }),
  },
  {
    what: 'fails to disconnect a second time',
    foundBy: 'after disconnect everything answers BLOCK_DISCONNECTED',
    make: (device) => {
      let calls = 0
      return {
        disconnect: async () => {
          if (++calls === 2) throw new Error('already disconnected')
          await device.disconnect()
        },
      }
    },
  },
  {
    what: 'leaves requests in flight behind',
    foundBy: 'disconnect waits for the requests in flight',
    make: (device) => ({
      write: async (sector, buffers) => {
        await wait(5)
        await device.write(sector, buffers)
      },
    }),
  },
  {
    what: 'fails to release after disconnect',
    foundBy: 'disconnect ends claims and watches',
    make: (device) => ({
      claim: async (role, options) => {
        await device.claim(role, options)
        return { release: async () => void (await device.getInfo()) }
      },
    }),
  },
  {
    what: 'leaves disposing to others',
    foundBy: '`await using` disconnects',
    make: () => ({ [Symbol.asyncDispose]: async () => {} }),
  },
  {
    what: 'does nothing on a read-only target, and says nothing',
    foundBy: 'a read-only device refuses to write with BLOCK_READ_ONLY',
    make: () => ({ write: async () => {} }),
  },
]

const beneath: readonly Mistake[] = [
  {
    what: 'loses durable on the way',
    foundBy: 'durable writes and durable zeroes are durable beneath',
    make: (device) => ({ write: (sector, buffers) => device.write(sector, buffers) }),
  },
  {
    what: 'loses durable on the way, of zeroes alone',
    foundBy: 'durable writes and durable zeroes are durable beneath',
    make: (device) => ({
      writeZeroes: (sector, sectors) => device.writeZeroes(sector, sectors),
    }),
  },
  {
    what: 'flushes while it writes, not after it',
    foundBy: 'durable writes and durable zeroes are durable beneath',
    make: (device) => ({
      write: async (sector, buffers, options) => {
        await Promise.all([device.write(sector, buffers), options?.durable && device.flush()])
      },
    }),
  },
  {
    what: 'takes its own cache for stable',
    foundBy: 'flush reaches what is beneath, after all that was written before it',
    make: () => ({ flush: async () => {} }),
  },
  {
    what: 'lets callers share a flush that is under way',
    foundBy: 'flush reaches what is beneath, after all that was written before it',
    make: (device) => {
      let running: Promise<void> | undefined
      return {
        flush: () => {
          running ??= device.flush().finally(() => {
            running = undefined
          })
          return running
        },
      }
    },
  },
  {
    what: 'keeps failures to itself',
    foundBy: 'what fails beneath is told, and nothing more of it is sent',
    make: (device) => ({ flush: () => device.flush().catch(() => undefined) }),
  },
  {
    what: 'continues with the rest of a write that failed',
    foundBy: 'what fails beneath is told, and nothing more of it is sent',
    make: (device, { sectorSize }) => ({
      write: async (sector, buffers, options) => {
        const half = Math.floor(lengthOf(buffers) / sectorSize / 2)
        const rest = upTo(buffers, half * sectorSize)
        const second = wait(1).then(() => device.write(sector + half, rest, options))
        second.catch(() => undefined)
        await device.write(sector, rest, options)
        await second
      },
    }),
  },
  {
    what: 'asks for permission when it is called, and not when it sends',
    foundBy: 'nothing is sent that its permit refuses',
    make: (device) => ({
      write: async (sector, buffers, { durable = false, permit } = {}) => {
        permit?.()
        await device.write(sector, buffers, { durable })
      },
    }),
  },
  {
    what: 'makes its own error of a refusal',
    foundBy: 'nothing is sent that its permit refuses',
    make: (device) => ({
      read: async (sector, buffers, options) => {
        await device.read(sector, buffers, options).catch(() => {
          throw new Error('not now')
        })
      },
    }),
  },
  {
    what: 'flushes in the background, and does not wait for that',
    foundBy: 'when disconnect has resolved, nothing more is sent',
    make: (device) => ({
      disconnect: async () => {
        await wait(5)
        const flush = (): Promise<void> => device.flush().catch(() => undefined)
        setTimeout(() => flush().then(() => device.disconnect()), 5)
      },
    }),
  },
]

/** What the suite has to find. */
export const mistakes: readonly Mistake[] = [
  ...transfer,
  ...misuse,
  ...storage,
  ...roles,
  ...lifecycle,
  ...beneath,
]
