// The package as it was built: SBR_DIST is the folder, with a slash at its end, if it is another one.
import { pathToFileURL } from 'node:url'

const { SBR_DIST } = process.env
const dist = SBR_DIST ? pathToFileURL(SBR_DIST) : new URL('../../dist/', import.meta.url)
const load = (path) => import(new URL(path, dist).href)

export const { Producer, RingReader, RingWriter } = await load('index.js')
export const { PartitionBlockDevice } = await load('block/index.js')
export const { inspectRing, verifyRing } = await load('tools.js')
export const { NbdBlockDevice } = await load('block/nbd/index.js')
export const { fenceByCeph } = await load('hosts/index.js')
export const { json } = await load('codec/index.js')
export const { joinGroup, partitioned } = await load('fan/index.js')
export const { createPool, openPool } = await load('pool/index.js')
