import { startRedis } from '../lib/redis.mjs'

export default {
  title: 'BullMQ on Redis, appendfsync always',
  short: 'BullMQ',
  needs: 'bullmq',
  sharedByProcesses: true,
  program: 'redis-server',
  async open(folder, role) {
    const { Queue, Worker } = await import('bullmq')
    // The sender has the server, and the receiver waits for it.
    const redis = await startRedis(folder, { connectOnly: role === 'receiver' })
    const { connection } = redis
    const queue = new Queue('items', { connection })
    await queue.waitUntilReady()
    const options = { removeOnComplete: true }
    const jobOf = (item) => ({
      name: 'item',
      data: Buffer.from(item).toString('latin1'),
      opts: options,
    })
    const worker = new Worker('items', null, { connection, autorun: false })
    await worker.waitUntilReady()
    const close = []
    return {
      async push(item) {
        const { name, data, opts } = jobOf(item)
        await queue.add(name, data, opts)
      },
      pushMany: (items) => queue.addBulk(items.map(jobOf)),
      async take(count) {
        const next = () => worker.getNextJob('bench', { block: false })
        const answers = await Promise.all(Array.from({ length: count }, next))
        const jobs = answers.filter((job) => job !== undefined)
        await Promise.all(jobs.map((job) => job.moveToCompleted('', 'bench', false)))
        return jobs.length
      },
      clear: () => queue.obliterate({ force: true }),
      receive: (onItem) =>
        new Promise((_resolve, reject) => {
          const receiver = new Worker(
            'items',
            async ({ data }) => onItem(Buffer.from(data, 'latin1')),
            { connection },
          )
          receiver.on('error', reject)
          close.push(() => receiver.close(true))
        }),
      async close() {
        for (const end of close) await end()
        await worker.close(true)
        await queue.close()
        await redis.stop()
      },
    }
  },
}
