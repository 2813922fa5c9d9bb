import { startRedis } from '../lib/redis.mjs'

const LIST = 'items'

export default {
  title: 'Redis, a list, appendfsync always',
  short: 'Redis',
  needs: 'ioredis',
  sharedByProcesses: true,
  program: 'redis-server',
  async open(folder, role) {
    const { Redis } = await import('ioredis')
    // The sender has the server, and the receiver waits for it.
    const server = await startRedis(folder, { connectOnly: role === 'receiver' })
    const redis = new Redis(server.connection)
    // Removed only when it was handled: an item that is popped at once would be lost with its consumer.
    const take = async (count) => {
      const items = await redis.lrangeBuffer(LIST, 0, count - 1)
      if (items.length > 0) await redis.ltrim(LIST, items.length, -1)
      return items.length
    }
    return {
      push: (item) => redis.rpush(LIST, Buffer.from(item)),
      pushMany: (items) => redis.rpush(LIST, ...items.map((item) => Buffer.from(item))),
      take,
      clear: () => redis.del(LIST),
      async receive(onItem) {
        for (;;) {
          onItem(await redis.blmoveBuffer(LIST, 'taken', 'LEFT', 'RIGHT', 0))
          await redis.lpop('taken')
        }
      },
      async close() {
        redis.disconnect()
        await server.stop()
      },
    }
  },
}
