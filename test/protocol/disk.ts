import { BaseBlockDevice } from '../../src/block/base.ts'
import {
  type BlockCapabilities,
  type BlockClaim,
  type BlockInfo,
  NO_CAPABILITIES,
} from '../../src/block/device.ts'

/** A medium behind a volatile cache, whose power cuts keep exactly the versions that a trace names. */
export class ReplayDisk {
  readonly sectorSize: number
  readonly sectors: number
  readonly #stable: Uint8Array[]
  readonly #volatile: Uint8Array[][]

  constructor(sectorSize: number, sectors: number) {
    this.sectorSize = sectorSize
    this.sectors = sectors
    this.#stable = Array.from({ length: sectors }, () => new Uint8Array(sectorSize))
    this.#volatile = Array.from({ length: sectors }, () => [])
  }

  /** The visible content of a sector. */
  read(sector: number): Uint8Array {
    return this.#volatile[sector]?.at(-1) ?? (this.#stable[sector] as Uint8Array)
  }

  /** Puts a sector into the cache. */
  see(sector: number, bytes: Uint8Array): void {
    this.#volatile[sector]?.push(bytes)
  }

  /** Makes a sector that was put into the cache stable, and what was put there before it obsolete. */
  settle(sector: number, bytes: Uint8Array): void {
    const versions = this.#volatile[sector] ?? []
    const index = versions.indexOf(bytes)
    if (index < 0) return
    this.#stable[sector] = bytes
    versions.splice(0, index + 1)
  }

  flush(): void {
    for (let sector = 0; sector < this.sectors; sector++) this.keep(sector, Number.MAX_SAFE_INTEGER)
  }

  /** A power cut: of a sector, keeps the stable version (0) or a later one. */
  keep(sector: number, version: number): void {
    const versions = this.#volatile[sector] ?? []
    const kept = versions[Math.min(version, versions.length) - 1]
    if (kept !== undefined) this.#stable[sector] = kept
    versions.length = 0
  }
}

/** A write or a flush that waits for its trace. */
export interface Effect {
  readonly kind: 'write' | 'flush'
  readonly durable: boolean
  /** The sectors, and what is written to them. */
  readonly sectors: readonly { readonly sector: number; readonly bytes: Uint8Array }[]
  end(): void
}

/** A process's view of the disk: reads happen at once, writes and flushes when the trace lets them. */
export class GatedDevice extends BaseBlockDevice {
  override readonly name: string = 'replayed'
  override readonly capabilities: BlockCapabilities = { ...NO_CAPABILITIES, claim: true }
  protected override readonly info: BlockInfo
  /** What the process waits for. */
  waiting: Effect | undefined
  /** Lets everything happen at once. */
  readonly open: boolean
  readonly #disk: ReplayDisk

  constructor(disk: ReplayDisk, open: boolean) {
    super()
    const { sectorSize, sectors } = disk
    this.info = { readWrite: true, sectorSize, sizeSectors: sectors }
    this.#disk = disk
    this.open = open
  }

  protected override async doRead(start: number, buffers: readonly Uint8Array[]): Promise<void> {
    let sector = start
    for (const buffer of buffers) {
      for (let at = 0; at < buffer.length; at += this.#disk.sectorSize) {
        buffer.set(this.#disk.read(sector++), at)
      }
    }
  }

  protected override async doWrite(
    start: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
  ): Promise<void> {
    const size = this.#disk.sectorSize
    const pieces = buffers.flatMap((buffer) =>
      Array.from({ length: buffer.length / size }, (_, at) =>
        buffer.slice(at * size, (at + 1) * size),
      ),
    )
    const sectors = pieces.map((bytes, at) => ({ sector: start + at, bytes }))
    if (!this.open) return this.#wait('write', durable, sectors)
    for (const { sector, bytes } of sectors) this.#disk.see(sector, bytes)
    if (durable) for (const { sector, bytes } of sectors) this.#disk.settle(sector, bytes)
  }

  protected override async doFlush(): Promise<void> {
    if (!this.open) return this.#wait('flush', true, [])
    this.#disk.flush()
  }

  protected override async doClaim(): Promise<BlockClaim> {
    return { release: async () => undefined }
  }

  protected override async doDisconnect(): Promise<void> {}

  #wait(kind: Effect['kind'], durable: boolean, sectors: Effect['sectors']): Promise<void> {
    if (this.waiting !== undefined) throw new Error('a process waits for two effects at once')
    return new Promise((resolve) => {
      const end = (): void => {
        this.waiting = undefined
        resolve()
      }
      this.waiting = { kind, durable, sectors, end }
    })
  }
}
