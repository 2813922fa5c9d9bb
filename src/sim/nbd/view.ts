import type {
  BlockCapabilities,
  BlockClaim,
  BlockDevice,
  ClaimOptions,
} from '../../block/device.ts'
import { ForwardingBlockDevice } from '../../block/wrap/forward.ts'
import { claimIn, MAX_ALLOCATION } from '../world/device.ts'
import type { SimProcess } from '../world/process.ts'
import type { CallKind, CallLedger } from './ledger.ts'

/** A process's view of a device over a network: claims of its machine, and silence once the process is gone. */
export class ProcessView extends ForwardingBlockDevice {
  /** True if a write or a flush failed: the content of the device is unknown, and connecting again may help. */
  spent = false
  readonly #process: SimProcess
  readonly #ledger: CallLedger
  readonly #claims: boolean
  readonly #sectorSize: number

  constructor(
    inner: BlockDevice,
    process: SimProcess,
    options: {
      readonly ledger: CallLedger
      readonly sectorSize: number
      readonly claims: boolean
    },
  ) {
    super(inner)
    this.#process = process
    this.#ledger = options.ledger
    this.#claims = options.claims
    this.#sectorSize = options.sectorSize
  }

  override get capabilities(): BlockCapabilities {
    return { ...this.inner.capabilities, claim: this.#claims }
  }

  override allocate(bytes: number): Uint8Array {
    if (!(bytes <= MAX_ALLOCATION)) {
      throw new Error(`the code under test allocates ${bytes} bytes at once`)
    }
    return super.allocate(bytes)
  }

  override getInfo(
    ...args: Parameters<BlockDevice['getInfo']>
  ): ReturnType<BlockDevice['getInfo']> {
    return living(this.#process, () => super.getInfo(...args))
  }

  override read(...args: Parameters<BlockDevice['read']>): Promise<void> {
    const [sector, buffers] = args
    return this.#call('read', sector, this.#sectorsOf(buffers), () => super.read(...args))
  }

  override write(...args: Parameters<BlockDevice['write']>): Promise<void> {
    const [sector, buffers] = args
    return this.#call('change', sector, this.#sectorsOf(buffers), () => super.write(...args))
  }

  override flush(...args: Parameters<BlockDevice['flush']>): Promise<void> {
    return this.#call('flush', 0, 0, () => super.flush(...args))
  }

  override discard(...args: Parameters<BlockDevice['discard']>): Promise<void> {
    const [sector, sectors] = args
    return this.#call('change', sector, sectors, () => super.discard(...args))
  }

  override writeZeroes(...args: Parameters<BlockDevice['writeZeroes']>): Promise<void> {
    const [sector, sectors] = args
    return this.#call('change', sector, sectors, () => super.writeZeroes(...args))
  }

  override async claim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    return claimIn(this.#process, this.name, role, options)
  }

  override async disconnect(): Promise<void> {
    await living(this.#process, () => super.disconnect())
    this.#ledger.close()
  }

  #sectorsOf(buffers: readonly Uint8Array[]): number {
    return buffers.reduce((sum, buffer) => sum + buffer.length, 0) / this.#sectorSize
  }

  #call(kind: CallKind, sector: number, sectors: number, work: () => Promise<void>): Promise<void> {
    const bytes = this.#sectorSize
    return living(this.#process, async () => {
      try {
        await this.#ledger.during(kind, sector * bytes, sectors * bytes, work)
      } catch (error) {
        // A flush that failed keeps failing.
        if (kind !== 'read') this.spent = true
        throw error
      }
    })
  }
}

/** Runs a call for a process. One that has ended makes no call, and gets no result. */
export async function living<T>(process: SimProcess, work: () => Promise<T>): Promise<T> {
  const never = (): Promise<T> => new Promise<T>(() => undefined)
  if (!process.alive) return never()
  try {
    const result = await work()
    return process.alive ? result : await never()
  } catch (error) {
    if (process.alive) throw error
    return never()
  }
}
