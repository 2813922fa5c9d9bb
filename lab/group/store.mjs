// What the pool is on: an image of a Ceph cluster, or a file, which each host has through a server of its own.
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Cluster } from '../ceph/cluster.mjs'
import { addressOf } from '../ceph/network.mjs'
import { installMissing } from '../ceph/packages.mjs'

export const STORES = { ceph: onCeph, file: onFile }

/** A cluster. A host is cut off by its cable, and the others fence it by its address. */
async function onCeph({ folder, network, processes, image, bytes, signal }) {
  await installMissing(signal)
  const cluster = new Cluster({ folder, network, processes, signal })
  await cluster.create()
  await cluster.createImage(image, bytes)
  return {
    source: cluster.sourceOf(image),
    conf: cluster.conf,
    ownerOf: (host) => `${addressOf(host)}:0/0`,
    cutOff: (host) => network.cut(host),
  }
}

/** A file. A host is cut off by nothing but its end: the fence kills its server, and with it what it was asked for. */
async function onFile({ folder, image, bytes }) {
  const path = join(folder, image)
  writeFileSync(path, '')
  truncateSync(path, bytes)
  const options = `driver=raw,file.driver=file,file.filename=${path},file.locking=off`
  return {
    source: ['--image-opts', options],
    conf: undefined,
    ownerOf: (host) => host,
    cutOff: async () => undefined,
  }
}
