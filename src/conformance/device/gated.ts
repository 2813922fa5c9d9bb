import type { BlockDevice, BlockInfo } from '../../block/device.ts'
import { MemoryBlockDevice } from '../../block/memory.ts'
import { ALWAYS, type Permit } from '../../block/permit.ts'
import { runs } from '../../block/runs.ts'
import { WrappingBlockDevice } from '../../block/wrap/wrapping.ts'

/** A request that a device sent to the storage beneath it: a system call, a message to a server. */
export interface SentRequest {
  /** The operation. */
  readonly operation: 'read' | 'write' | 'writeZeroes' | 'discard' | 'flush'
  /** True if it is on stable storage when it completes, without a flush. */
  readonly durable: boolean
}

/**
 * Called with each request when it is sent. The storage beneath carries it out when the promise resolves, and fails if
 * it rejects.
 */
export type Gate = (request: SentRequest) => Promise<void>

/** The most that one request transfers. */
const PIECE_BYTES = 64 << 10

/**
 * A device in memory behind a gate, for tests of wrappers. It behaves like a remote device: it cuts large calls into
 * pieces that are sent one after the other, and makes them durable with a flush.
 */
export async function gatedDevice(
  gate: Gate,
  options: { readonly sectorSize?: number; readonly sizeSectors?: number } = {},
): Promise<BlockDevice> {
  const memory = new MemoryBlockDevice({ sizeSectors: 4096, ...options })
  return new GatedBlockDevice(memory, gate, await memory.getInfo())
}

class GatedBlockDevice extends WrappingBlockDevice {
  readonly #gate: Gate

  constructor(memory: MemoryBlockDevice, gate: Gate, info: BlockInfo) {
    super(memory, { name: 'gated', capabilities: memory.capabilities, info, sectorStart: 0 })
    this.#gate = gate
  }

  protected override viewOf(below: BlockInfo): BlockInfo {
    return below
  }

  protected override doRead(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    permit: Permit,
  ): Promise<void> {
    return this.#inPieces(sectorStart, buffers, async (sector, parts) => {
      await this.#send('read', permit)
      await super.doRead(sector, parts, ALWAYS)
    })
  }

  protected override async doWrite(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    const isOnePiece = bytes <= PIECE_BYTES
    await this.#inPieces(sectorStart, buffers, async (sector, parts) => {
      await this.#send('write', permit, durable && isOnePiece)
      await super.doWrite(sector, parts, false, ALWAYS)
    })
    if (durable && !isOnePiece) await this.doFlush(permit)
  }

  protected override async doWriteZeroes(
    sectorStart: number,
    sectors: number,
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    const step = PIECE_BYTES / this.info.sectorSize
    for (let done = 0; done < sectors; done += step) {
      await this.#send('writeZeroes', permit)
      const piece = Math.min(step, sectors - done)
      await super.doWriteZeroes(sectorStart + done, piece, false, ALWAYS)
    }
    if (durable) await this.doFlush(permit)
  }

  protected override async doDiscard(
    sectorStart: number,
    sectors: number,
    permit: Permit,
  ): Promise<void> {
    await this.#send('discard', permit)
    await super.doDiscard(sectorStart, sectors, ALWAYS)
  }

  protected override doFlush(permit: Permit): Promise<void> {
    return this.#send('flush', permit)
  }

  #send(operation: SentRequest['operation'], permit: Permit, durable = false): Promise<void> {
    permit()
    return this.#gate({ operation, durable })
  }

  async #inPieces(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    transfer: (sector: number, parts: readonly Uint8Array[]) => Promise<void>,
  ): Promise<void> {
    let sector = sectorStart
    for (const { parts, bytes } of runs(buffers, PIECE_BYTES)) {
      await transfer(sector, parts)
      sector += bytes / this.info.sectorSize
    }
  }
}
