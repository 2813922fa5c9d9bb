import {
  BaseBlockDevice,
  type BlockCapabilities,
  type BlockClaim,
  type BlockHolder,
  type BlockInfo,
  type ClaimOptions,
  claimedError,
  LocalClaims,
  NO_CAPABILITIES,
  unsupportedError,
} from '../../src/block/index.ts'

/** What all handles of one {@link AuthorsDevice} share. */
export class Storage {
  readonly sectors: Map<number, Uint8Array> = new Map<number, Uint8Array>()
  readonly claims: LocalClaims = new LocalClaims()
}

const SECTOR_BYTES = 512
/** A role that this storage has taken itself. */
export const RESERVED = 'reserved'

/** A back-end as another package would write it: of nothing but what `shared-block-ring/block` exports. */
export class AuthorsDevice extends BaseBlockDevice {
  override readonly name = 'authors'
  override readonly capabilities: BlockCapabilities = {
    ...NO_CAPABILITIES,
    claim: true,
    discard: true,
  }
  protected override readonly info: BlockInfo
  readonly #storage: Storage

  constructor(storage: Storage = new Storage(), readWrite = true) {
    super()
    this.#storage = storage
    this.info = { readWrite, sectorSize: SECTOR_BYTES, sizeSectors: 16_384 }
  }

  /** Another handle of the same storage. */
  second(readWrite = true): AuthorsDevice {
    return new AuthorsDevice(this.#storage, readWrite)
  }

  protected override async doRead(start: number, buffers: readonly Uint8Array[]): Promise<void> {
    this.#each(start, buffers, (sector, piece) => {
      piece.set(this.#storage.sectors.get(sector) ?? new Uint8Array(SECTOR_BYTES))
    })
  }

  protected override async doWrite(start: number, buffers: readonly Uint8Array[]): Promise<void> {
    this.#each(start, buffers, (sector, piece) => {
      this.#storage.sectors.set(sector, piece.slice())
    })
  }

  protected override async doFlush(): Promise<void> {}

  protected override async doDiscard(start: number, sectors: number): Promise<void> {
    if (sectors === 1) throw unsupportedError(this.name, 'discarding a single sector')
    for (let sector = start; sector < start + sectors; sector++) {
      this.#storage.sectors.delete(sector)
    }
  }

  protected override async doClaim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    if (role === RESERVED) throw claimedError(this.name, role, 'the storage itself')
    return this.#storage.claims.claim(this.name, role, options)
  }

  protected override doAsk(role: string, request: string): Promise<string | undefined> {
    return this.#storage.claims.ask(role, request)
  }

  protected override async doHolderOf(role: string): Promise<BlockHolder | undefined> {
    return this.#storage.claims.holderOf(role)
  }

  protected override async doDisconnect(): Promise<void> {}

  #each(
    start: number,
    buffers: readonly Uint8Array[],
    visit: (sector: number, piece: Uint8Array) => void,
  ): void {
    let sector = start
    for (const buffer of buffers) {
      for (let at = 0; at < buffer.length; at += SECTOR_BYTES) {
        visit(sector++, buffer.subarray(at, at + SECTOR_BYTES))
      }
    }
  }
}
