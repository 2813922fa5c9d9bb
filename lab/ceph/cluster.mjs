// A Ceph cluster in user space: three mons and three OSDs on one host, their stores in files.
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../run.mjs'
import { cephConf } from './config.mjs'
import { addressOf } from './network.mjs'

const HOST = 'store'
const PGS = 4
const POOL = 'rbd'
/** By then a mon has a quorum, or an OSD has done what it has to, on a slow machine too. */
const STEP_TIMEOUT_MS = 90_000
/** A command that needs a mon or an OSD that is away waits for it: ask again in place of that. */
const ASK_MS = 5000

export class Cluster {
  mons = [0, 1, 2].map((id) => ({ id: `m${id}`, name: `mon.m${id}`, address: mon(id) }))
  osds = [0, 1, 2].map((id) => ({ id: String(id), name: `osd.${id}` }))
  #folder
  #network
  #processes
  #signal

  constructor({ folder, network, processes, signal }) {
    this.#folder = folder
    this.#network = network
    this.#processes = processes
    this.#signal = signal
  }

  get conf() {
    return join(this.#folder, 'ceph.conf')
  }

  /** Makes a cluster and a pool, and waits until that is in order. */
  async create() {
    const folder = this.#folder
    const fsid = randomUUID()
    const monMap = join(folder, 'monmap')
    writeFileSync(this.conf, cephConf({ folder, fsid, mons: this.mons, osds: this.osds }))
    writeFileSync(join(folder, 'keyring'), '')
    const addresses = this.mons.flatMap(({ id, address }) => ['--addv', id, `[${address}]`])
    const release = ['--set-min-mon-release', 'pacific']
    await this.#run('monmaptool', ['--create', '--fsid', fsid, ...release, ...addresses, monMap])
    for (const { id } of this.mons) {
      await this.#run('ceph-mon', ['--mkfs', '-i', id, '--monmap', monMap, '--conf', this.conf])
    }
    this.start(...this.mons)
    await this.monsAgree(this.mons.length)
    await Promise.all(this.osds.map((osd) => this.#createOsd(osd)))
    this.start(...this.osds)
    await this.osdsUp(this.osds.length)
    await this.ceph('osd', 'pool', 'create', POOL, String(PGS), String(PGS), 'replicated')
    await this.clean()
  }

  /** An image that several hosts write: with no exclusive lock, for which they would fight. */
  async createImage(name, bytes) {
    const size = ['--size', `${bytes}B`, '--image-feature', 'layering']
    await this.#run('rbd', ['--conf', this.conf, 'create', `${POOL}/${name}`, ...size])
  }

  /** What qemu-nbd is told of an image. */
  sourceOf(image) {
    return ['--format=raw', `rbd:${POOL}/${image}:conf=${this.conf}`]
  }

  start(...daemons) {
    for (const { id, name, address } of daemons) {
      const common = ['-f', '-i', id, '--conf', this.conf]
      if (address === undefined) this.#processes.start(name, HOST, 'ceph-osd', common)
      else this.#processes.start(name, HOST, 'ceph-mon', [...common, '--public-addr', address])
    }
  }

  async kill(...daemons) {
    await this.#processes.kill(...daemons.map(({ name }) => name))
  }

  /** Waits until all daemons are there, and every copy is up to date. */
  async clean() {
    await this.monsAgree(this.mons.length)
    await this.osdsUp(this.osds.length)
    await this.#until('every copy is up to date', async () => {
      const pools = JSON.parse(await this.ceph('osd', 'lspools', '-f', 'json'))
      const { poolnum } = pools.find(({ poolname }) => poolname === POOL)
      // Statistics would need a manager: so each group is asked itself.
      const ids = Array.from({ length: PGS }, (_, id) => `${poolnum}.${id.toString(16)}`)
      const answers = await Promise.all(ids.map((id) => this.ceph('pg', id, 'query')))
      return answers.every((answer) => JSON.parse(answer).state === 'active+clean')
    })
  }

  /** Waits until so many mons agree with each other. */
  monsAgree(mons) {
    return this.#until(`${mons} mons agree`, async () => {
      const { quorum } = JSON.parse(await this.ceph('quorum_status', '-f', 'json'))
      return quorum.length === mons
    })
  }

  /** Waits until so many OSDs are up, as far as the cluster knows. */
  osdsUp(osds) {
    return this.#until(`${osds} OSDs are up`, async () => {
      const { num_up_osds: up } = JSON.parse(await this.ceph('osd', 'stat', '-f', 'json'))
      return up === osds
    })
  }

  /** Asks the cluster, from the host that it is on. */
  ceph(...args) {
    return this.#run('ceph', ['--conf', this.conf, ...args], ASK_MS)
  }

  async #createOsd({ id, name }) {
    mkdirSync(join(this.#folder, name))
    const uuid = randomUUID()
    await this.ceph('osd', 'new', uuid, id)
    const args = ['--mkfs', '-i', id, '--osd-uuid', uuid, '--conf', this.conf]
    await this.#run('ceph-osd', args, STEP_TIMEOUT_MS)
  }

  #until(what, isSo) {
    return eventually(what, isSo, { withinMs: STEP_TIMEOUT_MS, signal: this.#signal })
  }

  #run(program, args, timeoutMs) {
    return this.#network.run(HOST, program, args, { timeoutMs, signal: this.#signal })
  }
}

function mon(id) {
  return `v2:${addressOf(HOST)}:${3300 + id}`
}
