// The package as it was built. This folder has a package of its own, so the name does not lead there.
const dist = process.env.SBR_BENCH_DIST ?? new URL('../../dist/', import.meta.url).href

export const {
  Consumer,
  MemoryBlockDevice,
  PartitionBlockDevice,
  Producer,
  RingReader,
  RingWriter,
} = await import(`${dist}index.js`)
export const { crc32c } = await import(`${dist}checksum/crc32c.js`)
export const { FileBlockDevice } = await import(`${dist}block/file/index.js`)
export const { NbdBlockDevice } = await import(`${dist}block/nbd/index.js`)
