// The package as it was built. This folder has a package of its own, so the name does not lead there.
const dist = process.env.SBR_BENCH_DIST ?? new URL('../../dist/', import.meta.url).href

export const { Consumer, Producer, RingReader, RingWriter } = await import(`${dist}index.js`)
export const { MemoryBlockDevice, PartitionBlockDevice } = await import(`${dist}block/index.js`)
export const { FileBlockDevice } = await import(`${dist}block/file/index.js`)
export const { partitioned, receiveFrom, tee } = await import(`${dist}fan/index.js`)
export const { NbdBlockDevice } = await import(`${dist}block/nbd/index.js`)
// The package does not export it: this is the module of which the build made the package.
export { crc32c } from '../../.build/checksum/crc32c.js'
