// A machine with systemd as its first process: a Debian of its own in a folder, booted by systemd-nspawn.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, cpSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, run } from '../run.mjs'

const SUITE = 'bookworm'
const DEBOOTSTRAP_MS = 400_000
/** Longer than anything here takes. */
const STEP_TIMEOUT_MS = 60_000
/** Each machine ends by itself after this, even if the lab is killed. */
const LIFE_S = 900

export class Machine {
  /** Its root directory. */
  root
  signal
  #name
  #log
  #process
  #gone
  #leader

  /** @param folder where its root directory and its console's output go */
  constructor(folder, signal) {
    this.root = join(folder, 'root')
    this.#name = basename(folder)
    this.#log = join(folder, 'console.out')
    this.signal = signal
  }

  /** Makes the root directory: a minimal Debian with systemd, or a copy of one, with this Node and a package in it. */
  async create({ copyOf, tarball }) {
    const patient = { timeoutMs: DEBOOTSTRAP_MS, signal: this.signal }
    if (copyOf === undefined) {
      const options = ['--variant=minbase', '--include=systemd,systemd-sysv,dbus']
      await run('debootstrap', [...options, SUITE, this.root], patient)
    } else {
      await run('cp', ['-a', copyOf, this.root], patient)
    }
    const prefix = join(this.root, 'usr/local')
    mkdirSync(join(prefix, 'bin'), { recursive: true })
    rmSync(join(prefix, 'bin/node'), { force: true })
    cpSync(process.execPath, join(prefix, 'bin/node'))
    const install = ['install', '--global', '--prefix', prefix, '--no-audit', '--no-fund']
    await run('npm', [...install, '--ignore-scripts', tarball], patient)
  }

  /** Puts a file into the machine. */
  put(from, folder, mode = 0o644) {
    const to = join(this.root, folder, basename(from))
    mkdirSync(join(this.root, folder), { recursive: true })
    cpSync(from, to)
    chmodSync(to, mode)
  }

  /** The text of a file in the machine. */
  read(path) {
    return readFileSync(join(this.root, path), 'utf8')
  }

  /** Resolves when all that is to be started has been. */
  async boot() {
    const log = openSync(this.#log, 'a')
    const boot = ['systemd-nspawn', '--directory', this.root, '--machine', this.#name, '--boot']
    // No machined is needed, no address leads out, and files of this system stay what they are.
    const apart = ['--register=no', '--keep-unit', '--private-network', '--resolv-conf=off']
    const quiet = ['--timezone=off', '--console=pipe']
    const bounded = ['--kill-after=30', String(LIFE_S), ...boot, ...apart, ...quiet]
    this.#process = spawn('timeout', bounded, { stdio: ['ignore', log, log], detached: true })
    closeSync(log)
    this.#gone = once(this.#process, 'exit')
    const isUp = this.until('the machine has booted', async () => {
      this.#leader = firstChild(firstChild(this.#process.pid))
      const state = await this.run('systemctl is-system-running || true')
      return ['running', 'degraded'].includes(state)
    })
    const ended = this.#gone.then(() => {
      throw new Error(`the machine did not boot: ${readFileSync(this.#log, 'utf8')}`)
    })
    await Promise.race([isUp, ended])
  }

  /** Runs a script of bash in the machine, as root, and answers what it printed. */
  async run(script) {
    const enter = [
      '--target',
      String(this.#leader),
      ...['mount', 'uts', 'ipc', 'net', 'pid'].map((one) => `--${one}`),
    ]
    const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    const bash = ['env', '-i', path, 'HOME=/root', 'bash', '-e', '-o', 'pipefail', '-c', script]
    const output = await run('nsenter', [...enter, '--', ...bash], { signal: this.signal })
    return output.trimEnd()
  }

  /** What systemd says of a unit. */
  async show(unit, property) {
    return await this.run(`systemctl show --value --property=${property} ${unit}`)
  }

  /** What the journal has of a unit. */
  async journal(unit) {
    return await this.run(`journalctl --no-pager --output=cat --unit=${unit}`)
  }

  /** Waits for what comes about in the machine. */
  async until(what, isSo) {
    await eventually(what, isSo, { withinMs: STEP_TIMEOUT_MS, everyMs: 200, signal: this.signal })
  }

  /** @throws {Error} it did not shut down in order */
  async powerOff() {
    // It may take the shell with it that asks for it.
    await this.run('systemctl poweroff').catch(() => undefined)
    const tooLate = sleep(STEP_TIMEOUT_MS, ['no end'], { ref: false, signal: this.signal })
    const [how] = await Promise.race([this.#gone, tooLate])
    if (how !== 0) throw new Error(`after systemctl poweroff the machine ended with ${how}`)
    this.#forget()
  }

  /** systemd-nspawn leaves this behind where /run is no file system of its own. */
  #forget() {
    rmSync(join('/run/systemd/nspawn/propagate', this.#name), { recursive: true, force: true })
  }

  /** Ends it, whatever it does; resolves when it is gone. */
  async kill() {
    if (this.#process === undefined || this.#process.exitCode !== null) return
    // All of them: the first process of the machine would outlive systemd-nspawn.
    for (const pid of [this.#process.pid, ...descendants(this.#process.pid)]) kill(pid)
    await this.#gone
    this.#forget()
  }
}

function childrenOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text.split(' ').filter(Boolean).map(Number)
  } catch {
    return [] // It has ended.
  }
}

function descendants(pid) {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)])
}

function firstChild(pid) {
  const [child] = childrenOf(pid)
  if (child === undefined) throw new Error(`process ${pid} has started nothing yet`)
  return child
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
