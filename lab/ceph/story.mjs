// What happens to the cluster while items are handed over.

/** Where each side begins; the last host takes the producer's role over. */
export const PLACES = { producer: 'h1', consumer: 'h2', successor: 'h3' }

/** The chapters, in order. `happen` ends when the cluster has noticed, or is in order again. */
export const CHAPTERS = [
  { title: 'nothing happens', happen: async () => undefined },
  {
    title: 'an OSD is killed',
    happen: async ({ cluster }) => {
      await cluster.kill(cluster.osds[0])
      await cluster.osdsUp(2)
    },
  },
  {
    title: 'the OSD comes back',
    happen: async ({ cluster }) => {
      cluster.start(cluster.osds[0])
      await cluster.clean()
    },
  },
  {
    title: 'the leading mon is killed',
    happen: async ({ cluster }) => {
      await cluster.kill(cluster.mons[0])
      await cluster.monsAgree(2)
    },
  },
  {
    title: 'the mon comes back',
    happen: async ({ cluster }) => {
      cluster.start(cluster.mons[0])
      await cluster.clean()
    },
  },
  { title: "the producer's host is cut off, fenced and replaced", happen: replaceProducer },
  { title: 'everything is killed and started again', happen: restartAll },
  { title: 'nothing happens again', happen: async () => undefined },
]

async function replaceProducer({ network, handover, late, report }) {
  const { producer, consumer, successor } = PLACES
  await late.prepare(producer)
  await network.cut(producer)
  const cutAt = performance.now()
  await late.begin()
  const former = handover.abandon('producer')
  handover.start('producer', successor)
  await handover.until(`${successor} has taken the producer's role over`, () => {
    return handover.hostOf('producer') === successor
  })
  report.takeoverMs = Math.round(performance.now() - cutAt)
  await late.overwrite(successor)

  await network.heal(producer)
  const healedAt = performance.now()
  const { codes, holds } = await late.verdict(consumer)
  report.late = { codes, holds, ms: Math.round(performance.now() - healedAt) }
  report.former = (await former.ended)?.codes ?? ['no failure']
  if (!codes.includes('BLOCK_FENCED') || holds !== 'after') {
    throw new Error(
      `the write of a fenced host ended with ${codes}, and the image holds "${holds}"`,
    )
  }
}

async function restartAll({ cluster, gateways, handover, processes }) {
  const { consumer, successor } = PLACES
  await Promise.all([handover.kill(), processes.killAll()])
  cluster.start(...cluster.mons, ...cluster.osds)
  await cluster.clean()
  for (const host of [consumer, successor]) await gateways.start(host)
  handover.start('consumer', consumer)
  handover.start('producer', successor)
}
