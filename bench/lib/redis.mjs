import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const START_MS = 10_000

/** A Redis server on a socket in the folder that has each write on stable storage before it answers. */
export async function startRedis(folder, { connectOnly }) {
  const path = join(folder, 'redis.sock')
  const connection = { path, maxRetriesPerRequest: null }
  const server = connectOnly ? undefined : serve(folder, path)
  for (let waited = 0; !existsSync(path); waited += 20) {
    if (waited > START_MS) throw new Error('redis-server does not start')
    await sleep(20)
  }
  return {
    connection,
    async stop() {
      if (server === undefined) return
      const ended = once(server, 'exit')
      server.kill()
      await ended
    },
  }
}

function serve(folder, path) {
  const args = ['--port', '0', '--unixsocket', path, '--dir', folder, '--daemonize', 'no']
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
  return spawn('redis-server', [...args, ...durable], { stdio: 'ignore' })
}
