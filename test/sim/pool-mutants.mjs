// Mutants of pools: one rule left out each, which programs that change one pool have to find; the same shape as in
// mutants.mjs.

import { mutantsOf } from './mutant.mjs'

const CREATE = 'pool/create.ts'
const DIRECTORY = 'pool/directory.ts'
const LEASE = 'pool/lease.ts'
const POOL = 'pool/pool.ts'
const REMOVABLE = 'pool/removable.ts'
const RING_DEVICE = 'pool/ring-device.ts'
const ALLOCATE = 'pool/allocate.ts'

const mutant = mutantsOf({ format: 'pools' })

export const POOLS = [
  mutant('a copy of the directory is not durable', 'power', 200, [
    DIRECTORY,
    'await device.write(offset / sectorSize, [bytes], { durable: true })\n}\n\n/** Writes the guard',
    'await device.write(offset / sectorSize, [bytes])\n}\n\n/** Writes the guard',
  ]),
  mutant('both copies are written at once', 'torn', 300, [
    DIRECTORY,
    'for (const offset of DIRECTORY_COPIES) await writeCopy(device, info, directory, offset)',
    'await Promise.all(DIRECTORY_COPIES.map((offset) => writeCopy(device, info, directory, offset)))',
  ]),
  mutant('a copy that may be only in a cache counts at once', 'power', 300, [
    DIRECTORY,
    'const isStable = before !== undefined && isSame(before.bytes, read?.newest.bytes)',
    'const isStable = true',
  ]),
  mutant('a copy counts without a flush', 'power', 300, [
    DIRECTORY,
    'else await device.flush()',
    'else await clock.sleep(PAUSE_MS)',
  ]),
  mutant('a change does not make good what an interrupted one left', 'torn', 300, [
    DIRECTORY,
    'if (other !== undefined) await writeCopy(device, info, newest.directory, other)',
    'void other',
  ]),
  mutant('a change does not flush first', 'torn', 600, [
    DIRECTORY,
    '    await device.flush()\n    const info = await device.getInfo()\n    const { bytes: start }',
    '    const info = await device.getInfo()\n    const { bytes: start }',
  ]),
  mutant('a change is not seen to be newer', 'kill', 100, [
    POOL,
    'generation: directory.generation + 1',
    'generation: directory.generation',
  ]),
  mutant('a ring is in the directory before it is complete', 'power', 300, [
    POOL,
    '      await wipe(part)\n      await Producer.create(part, { clock: this.#clock, ...ring })\n      const all = [...rings, entry].sort((one, other) => one.offset - other.offset)\n' +
      '      await this.#commit(device, { ...directory, rings: all, nextId: nextId + 1 })\n',
    '      const all = [...rings, entry].sort((one, other) => one.offset - other.offset)\n' +
      '      await this.#commit(device, { ...directory, rings: all, nextId: nextId + 1 })\n' +
      '      await wipe(part)\n      await Producer.create(part, { clock: this.#clock, ...ring })\n',
  ]),
  mutant('what was at the place of a new ring stays there', 'none', 100, [
    POOL,
    '      await wipe(part)\n',
    '',
  ]),
  mutant('a new ring gets a place that is too small', 'none', 100, [
    ALLOCATE,
    '.filter((gap) => gap.bytes >= bytes)',
    '.filter((gap) => gap.bytes > 0)',
  ]),
  mutant('an id is given twice', 'none', 200, [POOL, 'nextId: nextId + 1', 'nextId']),
  mutant('two programs change a pool at once', 'none', 100, [
    POOL,
    'const claim = this.device.capabilities.claim\n        ? await inTurn',
    'const claim = this.device.name === ""\n        ? await inTurn',
  ]),
  mutant('a ring is removed although a role of it is held', 'none', 200, [
    REMOVABLE,
    'for (const role of ROLES_OF_RING) taken.push(await take(ring, role, remover, isIdentified))',
    'void take',
  ]),
  mutant('a ring is removed although an item came meanwhile', 'none', 400, [
    REMOVABLE,
    '    // An item may have come before the roles were taken.\n    await checkEmpty(ring, remover)\n',
    '',
  ]),
  mutant(
    'a role of a removed ring is given',
    'none',
    100,
    [
      RING_DEVICE,
      '      // From now on it cannot be removed.\n      await this.#checkThere()\n',
      '',
    ],
    [
      RING_DEVICE,
      'doGetInfo(): Promise<BlockInfo> {\n    await this.#checkThere()\n',
      'doGetInfo(): Promise<BlockInfo> {\n',
    ],
  ),
  mutant('the directory is not leased', 'hosts', 100, [
    LEASE,
    '  const lease = await takeLease(store, clock, options)\n  try {\n    return await change(new LeasedBlockDevice(directory.device, lease))',
    '  const lease = { release: async () => undefined }\n  try {\n    return await change(directory.device)',
  ]),
  mutant('the roles of a ring that is removed are not leased', 'hosts', 200, [
    REMOVABLE,
    '    const options = {',
    '    if (!ring.capabilities.watch) return { release: async () => undefined }\n    const options = {',
  ]),
  mutant('the superblocks of an earlier ring stay when a pool is made', 'none', 100, [
    CREATE,
    '  await wipe(device, POOL_START)\n',
    '',
  ]),
  mutant('a pool is in the guard before its directory can be', 'power', 200, [
    CREATE,
    '  await wipe(device, POOL_START)\n  await writeGuard(device, info)\n',
    '  await writeGuard(device, info)\n  await wipe(device, POOL_START)\n  await writeGuard(device, info)\n',
  ]),
  mutant('growing is not written down', 'none', 100, [
    POOL,
    'await this.#commit(device, { ...directory, poolBytes: sizeBytes })',
    'void directory',
  ]),
]
