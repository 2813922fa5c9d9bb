// A back-end of your own: a stripe of two devices. docs/back-ends.md explains it, and it passes the conformance suite.
import { BlockError } from 'shared-block-ring'
import { BaseBlockDevice, NO_CAPABILITIES } from 'shared-block-ring/block'

/**
 * Two devices as one, in chunks that take turns: chunk 0 is on the first device, chunk 1 on the second, chunk 2 on the first.
 * A request that crosses chunks is one request to each device, because the chunks of a device follow each other there.
 */
export class StripedBlockDevice extends BaseBlockDevice {
  name
  capabilities
  info
  #parts
  #chunk

  constructor(parts, infos, chunkSectors) {
    super()
    this.#parts = parts
    this.#chunk = chunkSectors
    this.name = parts.map(({ name }) => name).join(' + ')
    const of = (capability) => parts.map(({ capabilities }) => capabilities[capability])
    this.capabilities = {
      ...NO_CAPABILITIES,
      discard: of('discard').every(Boolean),
      // A role is claimed on the first device: whoever uses the second alone uses no stripe.
      claim: of('claim')[0],
      singleSectorBuffers: of('singleSectorBuffers').some(Boolean),
    }
    this.info = this.#combine(infos)
  }

  /** Takes both devices over: they are closed with the stripe. */
  static async open(first, second, { chunkSectors = 128 } = {}) {
    const infos = await Promise.all([first.getInfo(), second.getInfo()])
    if (infos[0].sectorSize !== infos[1].sectorSize) {
      throw new BlockError('BLOCK_OPEN', `${first.name} and ${second.name} differ in sector size`, {
        device: first.name,
      })
    }
    return new StripedBlockDevice([first, second], infos, chunkSectors)
  }

  /** Grows when either device may have lost its cache. */
  get incarnation() {
    const all = this.#parts.map(({ incarnation }) => incarnation)
    return all.every((one) => one === undefined) ? undefined : (all[0] ?? 0) + (all[1] ?? 0)
  }

  allocate(bytes) {
    return this.#parts[0].allocate(bytes)
  }

  async doGetInfo() {
    this.info = this.#combine(await this.#all((part) => part.getInfo()))
    return this.info
  }

  async doRead(sectorStart, buffers, permit) {
    await this.#each(this.#split(sectorStart, buffers), (part, { at, pieces }) =>
      part.read(at, pieces, { permit }),
    )
  }

  async doWrite(sectorStart, buffers, durable, permit) {
    await this.#each(this.#split(sectorStart, buffers), (part, { at, pieces }) =>
      part.write(at, pieces, { durable, permit }),
    )
  }

  async doFlush(permit) {
    await this.#all((part) => part.flush({ permit }))
  }

  async doDiscard(sectorStart, sectors, permit) {
    const runs = this.#parts.map(() => ({ at: 0, sectors: 0 }))
    for (const { part, at, count } of this.#chunks(sectorStart, sectors)) {
      if (runs[part].sectors === 0) runs[part].at = at
      runs[part].sectors += count
    }
    await this.#each(runs, (part, run) =>
      run.sectors === 0 ? undefined : part.discard(run.at, run.sectors, { permit }),
    )
  }

  doClaim(role, options) {
    return this.#parts[0].claim(role, options)
  }

  doAsk(role, request, options) {
    return this.#parts[0].ask(role, request, options)
  }

  doHolderOf(role, options) {
    return this.#parts[0].holderOf(role, options)
  }

  async doDisconnect() {
    await this.#all((part) => part.disconnect())
  }

  /** The chunks that a run of sectors touches: which device, where on it, and how many sectors. */
  *#chunks(sectorStart, sectors) {
    for (let sector = sectorStart; sector < sectorStart + sectors; ) {
      const chunk = Math.floor(sector / this.#chunk)
      const within = sector % this.#chunk
      const count = Math.min(this.#chunk - within, sectorStart + sectors - sector)
      yield { part: chunk % 2, at: Math.floor(chunk / 2) * this.#chunk + within, count }
      sector += count
    }
  }

  /** Cuts buffers at the chunks, without a copy: for each device where it begins, and its pieces. */
  #split(sectorStart, buffers) {
    const { sectorSize } = this.info
    const runs = this.#parts.map(() => ({ at: 0, pieces: [] }))
    let sector = sectorStart
    for (const buffer of buffers) {
      let done = 0
      for (const { part, at, count } of this.#chunks(sector, buffer.length / sectorSize)) {
        if (runs[part].pieces.length === 0) runs[part].at = at
        runs[part].pieces.push(buffer.subarray(done, done + count * sectorSize))
        done += count * sectorSize
      }
      sector += buffer.length / sectorSize
    }
    return runs
  }

  #each(runs, request) {
    return this.#all((part, index) => request(part, runs[index]))
  }

  /** Waits for both devices, also if one fails: after a rejection nothing may be under way in the caller's buffers. */
  async #all(request) {
    const settled = await Promise.allSettled(this.#parts.map(request))
    const failed = settled.find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw failed.reason
    return settled.map(({ value }) => value)
  }

  #combine(infos) {
    const [{ sectorSize }] = infos
    const smaller = Math.min(...infos.map(({ sizeSectors }) => sizeSectors))
    const sizeSectors = 2 * Math.floor(smaller / this.#chunk) * this.#chunk
    return { sectorSize, sizeSectors, readWrite: infos.every(({ readWrite }) => readWrite) }
  }
}
