import { constants, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BlockDevice } from '../../src/block/device.ts'
import { makeEngine } from '../../src/block/file/engine/make.ts'
import {
  type Engine,
  FileBlockDevice,
  type FileBlockDeviceOptions,
} from '../../src/block/file/index.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { ALWAYS, type Permit } from '../../src/block/permit.ts'
import { PartitionBlockDevice } from '../../src/block/wrap/partition.ts'
import {
  type DeviceSource,
  type Gate,
  gatedDevice,
  type SentRequest,
} from '../../src/conformance/index.ts'

/** Sectors of the devices that the suite runs on: enough for its lists of more than 1024 buffers. */
export const SECTORS = 2100

/** A memory device with content. */
export async function memory(sectorSize: number, sectors: number): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sectorSize, sizeSectors: sectors })
  const used = Math.min(sectors, 100)
  await device.write(0, [new Uint8Array(used * sectorSize).fill(7)])
  return device
}

/** Memory devices. They forget everything on disconnect, and have one handle. */
export function memorySource(sectorSize: number): DeviceSource {
  return {
    open: () => memory(sectorSize, SECTORS),
    openReadOnly: async () =>
      new MemoryBlockDevice({ sectorSize, sizeSectors: 64, mode: 'read-only' }),
  }
}

/** The devices of a source, wrapped. */
export function wrapped(
  source: DeviceSource,
  wrap: (device: BlockDevice) => Promise<BlockDevice>,
): DeviceSource {
  const { reopen, openSecond, openReadOnly, openGated } = source
  const inner = new WeakMap<BlockDevice, BlockDevice>()
  const wrapping = async (opening: Promise<BlockDevice>): Promise<BlockDevice> => {
    const device = await opening
    const outer = await wrap(device)
    inner.set(outer, device)
    return outer
  }
  const innerOf = (device: BlockDevice): BlockDevice => inner.get(device) ?? device
  return {
    open: () => wrapping(source.open()),
    ...(reopen && { reopen: (device: BlockDevice) => wrapping(reopen(innerOf(device))) }),
    ...(openSecond && {
      openSecond: (device: BlockDevice) => wrapping(openSecond(innerOf(device))),
    }),
    ...(openReadOnly && { openReadOnly: () => wrapping(openReadOnly()) }),
    ...(openGated && { openGated: (gate: Gate) => wrapping(openGated(gate)) }),
  }
}

/**
 * Partitions of partitions of one memory device; since disconnecting a partition leaves the device below
 * connected, they can be reopened and opened twice.
 */
export function partitionSource(sectorSize: number): DeviceSource {
  const below = new WeakMap<BlockDevice, BlockDevice>()
  const partition = async (device: BlockDevice): Promise<BlockDevice> => {
    const { sizeSectors } = await device.getInfo()
    const outer = await PartitionBlockDevice.open(device, {
      sectorStart: 100,
      sectors: sizeSectors - 110,
    })
    const inner = await PartitionBlockDevice.open(outer, {
      sectorStart: 37,
      sectors: sizeSectors - 160,
    })
    below.set(inner, device)
    return inner
  }
  const again = (device: BlockDevice): Promise<BlockDevice> =>
    partition(below.get(device) ?? device)
  return {
    open: async () => partition(await memory(sectorSize, SECTORS + 160)),
    reopen: again,
    openSecond: again,
    openReadOnly: async () =>
      partition(new MemoryBlockDevice({ sectorSize, sizeSectors: 300, mode: 'read-only' })),
    openGated: async (gate) =>
      partition(await gatedDevice(gate, { sectorSize, sizeSectors: (1 << 19) / sectorSize + 160 })),
  }
}

/** More than direct I/O copies in one piece. */
const GATED_BYTES = 5 << 18

/** Files of a folder: found there, with content as far as memory devices have it, or made by the device. */
export function fileSource(
  folder: string,
  options: FileBlockDeviceOptions,
  how: 'found' | 'made' = 'found',
): DeviceSource {
  const { sectorSize = 512 } = options
  let files = 0
  const next = (): string => join(folder, `${files++}.img`)
  const fresh = (bytes = SECTORS * sectorSize): string => {
    const path = next()
    writeFileSync(path, new Uint8Array(100 * sectorSize).fill(7))
    truncateSync(path, bytes)
    return path
  }
  const again = (device: BlockDevice): Promise<BlockDevice> =>
    FileBlockDevice.open(device.name, options)
  return {
    open: () =>
      how === 'found'
        ? FileBlockDevice.open(fresh(), options)
        : FileBlockDevice.create(next(), { ...options, sizeBytes: SECTORS * sectorSize }),
    reopen: again,
    openSecond: again,
    openReadOnly: () => FileBlockDevice.open(fresh(), { ...options, mode: 'read-only' }),
    ...(options.durability !== 'none' && {
      openGated: (gate: Gate) =>
        FileBlockDevice.open(fresh(GATED_BYTES), {
          ...options,
          engine: gatedEngine(gate, options),
        }),
    }),
  }
}

/** An engine whose calls wait for the gate. */
function gatedEngine(gate: Gate, { engine = 'pool' }: FileBlockDeviceOptions): Engine {
  const inner = makeEngine(engine)
  const isDurable = (fd: number): boolean => {
    const flags = /flags:\s*([0-7]+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1]
    return (Number.parseInt(flags ?? '0', 8) & constants.O_DSYNC) !== 0
  }
  const gated = async <T>(
    sent: SentRequest,
    permit: Permit,
    call: () => T,
  ): Promise<Awaited<T>> => {
    permit()
    await gate(sent)
    return await call()
  }
  return {
    read: (fd, buffers, position, permit) =>
      gated({ operation: 'read', durable: false }, permit, () =>
        inner.read(fd, buffers, position, ALWAYS),
      ),
    write: (fd, buffers, position, permit) =>
      gated({ operation: 'write', durable: isDurable(fd) }, permit, () =>
        inner.write(fd, buffers, position, ALWAYS),
      ),
    flush: (fd, permit) =>
      gated({ operation: 'flush', durable: false }, permit, () => inner.flush(fd, ALWAYS)),
  }
}

/** A raw device, again and again. */
export function rawSource(path: string, options: FileBlockDeviceOptions): DeviceSource {
  const open = (): Promise<BlockDevice> => FileBlockDevice.open(path, options)
  return {
    open,
    reopen: open,
    openSecond: open,
    openReadOnly: () => FileBlockDevice.open(path, { ...options, mode: 'read-only' }),
  }
}
