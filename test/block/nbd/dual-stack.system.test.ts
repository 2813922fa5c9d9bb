import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { mainPath } from '../../cli/cli.ts'
import { startFake } from '../../helpers/fake-nbd.ts'
import { needs } from '../../helpers/interop.ts'
import { useScene } from './scene.ts'

const scene = useScene()

/** Listens at ::1 with room for hardly anybody, says its port, and hands on to a unix socket. */
const FORWARDER = `
const net = require('node:net')
const server = net.createServer((client) => {
  const socket = net.connect({ path: process.argv[1] })
  client.pipe(socket).pipe(client)
  for (const end of [client, socket]) end.on('error', () => undefined)
})
server.listen({ host: '::1', port: 0, backlog: 1 }, () => console.log(server.address().port))
`

/** Runs a command where `dual.test` has two addresses. */
const IN_NAMESPACE = 'mount --bind "$0" /etc/hosts && exec "$@"'

function problem(hosts: string): string | undefined {
  const { status } = spawnSync('unshare', ['--mount', 'sh', '-c', IN_NAMESPACE, hosts, 'true'])
  return status === 0
    ? undefined
    : 'unshare --mount (Debian package util-linux, run as root) does not work'
}

test('an address that is slow to answer is waited for when the other one refuses', async (context) => {
  const hosts = scene.file('hosts')
  writeFileSync(
    hosts,
    `${readFileSync('/etc/hosts', 'utf8')}\n::1 dual.test\n127.0.0.1 dual.test\n`,
  )
  needs(context, problem(hosts))
  const path = scene.file('fake.sock')
  scene.keep(
    await startFake(path, async (peer) => {
      await peer.agree({ size: 4 << 20 })
      for (;;) {
        const request = await peer.request()
        if (request.type === 0) peer.data(request, 0, request.length, 0)
        else peer.simple(request)
      }
    }),
  )
  const listener = spawn(process.execPath, ['-e', FORWARDER, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const queued: Socket[] = []
  try {
    const port = Number((await once(listener.stdout, 'data'))[0])
    // One that is stopped takes nobody in: the kernel's queue is full then, and drops who comes next, until it goes on.
    listener.kill('SIGSTOP')
    for (let i = 0; i < 4; i++) {
      queued.push(connect({ host: '::1', port }).on('error', () => undefined))
    }
    await sleep(300)
    const command = [process.execPath, mainPath, 'device', 'info', `nbd://dual.test:${port}/`]
    const args = ['--mount', 'sh', '-c', IN_NAMESPACE, hosts, ...command, '--json']
    const informing = promisify(execFile)('unshare', args)
    informing.catch(() => undefined)
    // By then it has tried both.
    await sleep(3000)
    for (const socket of queued) socket.destroy()
    listener.kill('SIGCONT')
    expect(JSON.parse((await informing).stdout)).toMatchObject({ sizeBytes: 4 << 20 })
  } finally {
    for (const socket of queued) socket.destroy()
    listener.kill('SIGKILL')
  }
})
