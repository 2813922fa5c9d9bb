import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const START_MS = 20_000
const END_MS = 1000
const SOCKET = 'nbd.sock'
const PID_FILE = 'server.pid'

const PACKAGES = { nbdkit: 'nbdkit', 'qemu-nbd': 'qemu-utils', 'nbd-server': 'nbd-server' } as const

/** Why there is no such server on this machine, or undefined if there is one. */
export function serverProblem(program: keyof typeof PACKAGES): string | undefined {
  const { error } = spawnSync(program, ['--version'])
  return error === undefined
    ? undefined
    : `${program} is not there (Debian package ${PACKAGES[program]})`
}

/** A server at work, at a unix socket. */
export interface NbdServer extends AsyncDisposable {
  readonly socket: string
  /** The URI of an export. */
  uri(name?: string, scheme?: string): string
  /** Kills it, as a power cut of its machine would, and resolves when it is gone. */
  kill(): Promise<void>
}

/** Starts nbdkit with these arguments: flags, filters, the plugin and its parameters. */
export function startNbdkit(folder: string, args: readonly string[]): Promise<NbdServer> {
  const common = ['-f', '-P', join(folder, PID_FILE), '-U', join(folder, SOCKET)]
  return startServer(folder, 'nbdkit', [...common, ...args])
}

/** Starts qemu-nbd with these arguments: options, and the image. Its export is `exp`. */
export function startQemuNbd(folder: string, args: readonly string[]): Promise<NbdServer> {
  const place = ['--pid-file', join(folder, PID_FILE), '-k', join(folder, SOCKET)]
  return startServer(folder, 'qemu-nbd', [...place, '-t', '-e', '16', '-x', 'exp', ...args])
}

/**
 * Starts nbd-server with an export `exp` of a file, and these lines in its configuration: the export's, the server's.
 */
export async function startNbdServer(
  folder: string,
  file: string,
  lines: readonly string[] = ['flush = true', 'fua = true', 'trim = true'],
  more: readonly string[] = [],
): Promise<NbdServer> {
  const socket = join(folder, SOCKET)
  const configuration = join(folder, 'nbd-server.conf')
  const pidFile = join(folder, PID_FILE)
  const general = ['[generic]', `unixsock = ${socket}`, 'allowlist = true', ...more]
  const exported = ['[exp]', `exportname = ${file}`, ...lines]
  writeFileSync(configuration, `${[...general, ...exported].join('\n')}\n`)
  rmSync(pidFile, { force: true })
  rmSync(socket, { force: true })
  // It leaves the foreground by itself; without that it serves one client only.
  spawnSync('nbd-server', ['-C', configuration, '-p', pidFile], { timeout: START_MS })
  await untilReady(pidFile, socket, () => undefined)
  return server(socket, async () => {
    if (!existsSync(pidFile)) return
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL')
    rmSync(pidFile)
  })
}

async function startServer(
  folder: string,
  program: string,
  args: readonly string[],
): Promise<NbdServer> {
  const socket = join(folder, SOCKET)
  const pidFile = join(folder, PID_FILE)
  rmSync(socket, { force: true })
  rmSync(pidFile, { force: true })
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  let mayEnd = false
  const ended = (): string | undefined =>
    isRunning(child) || mayEnd
      ? undefined
      : `${program} ended with ${child.exitCode ?? child.signalCode}: ${errors}`
  await untilReady(pidFile, socket, ended)
  return server(
    socket,
    () => {
      mayEnd = true
      return killChild(child)
    },
    async () => {
      // What a test saw of a server that failed says nothing about the client.
      const problem = ended()
      if (problem !== undefined) throw new Error(problem)
      await endChild(child)
    },
  )
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

function server(
  socket: string,
  kill: () => Promise<void>,
  end: () => Promise<void> = kill,
): NbdServer {
  return {
    socket,
    uri: (name = '', scheme = 'nbd+unix') => `${scheme}:///${name}?socket=${socket}`,
    kill,
    [Symbol.asyncDispose]: end,
  }
}

/** Ends it, and has it take its temporary files away; one that waits for something is killed. */
async function endChild(child: ChildProcess): Promise<void> {
  const kill = setTimeout(() => child.kill('SIGKILL'), END_MS)
  const gone = once(child, 'exit')
  if (isRunning(child)) {
    child.kill('SIGTERM')
    await gone
  }
  clearTimeout(kill)
}

async function killChild(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** Some write their file when they listen, some before. To connect would take the place of a test's connection. */
async function untilReady(
  pidFile: string,
  socket: string,
  problem: () => string | undefined,
): Promise<void> {
  for (const end = Date.now() + START_MS; Date.now() < end; await sleep(20)) {
    const found = problem()
    if (found !== undefined) throw new Error(found)
    if (existsSync(pidFile) && readFileSync(pidFile, 'utf8').endsWith('\n') && listens(socket))
      return
  }
  throw new Error(`no server wrote ${pidFile} and listens at ${socket}`)
}

/** Whether somebody listens at a unix socket, by the flag that the kernel shows. */
function listens(socket: string): boolean {
  const lines = readFileSync('/proc/net/unix', 'utf8').split('\n')
  return lines.some((line) => line.includes(' 00010000 ') && line.endsWith(` ${socket}`))
}
