// Hosts as network namespaces on one switch. No address leads out, and the machine's own network is not touched.
import { run } from '../run.mjs'

/** The hosts, and the last byte of their addresses. */
export const HOSTS = { store: 1, h1: 11, h2: 12, h3: 13 }

/** The address of a host. */
export function addressOf(host) {
  return `10.77.0.${HOSTS[host]}`
}

export class Network {
  #prefix = `sbr-${process.pid}-`
  #made = []

  async up(signal) {
    const ip = (...args) => run('ip', args, { signal })
    const switchSpace = await this.#add('switch', ip)
    await ip('-n', switchSpace, 'link', 'add', 'bridge', 'type', 'bridge')
    await ip('-n', switchSpace, 'link', 'set', 'bridge', 'up')
    for (const host of Object.keys(HOSTS)) {
      const space = await this.#add(host, ip)
      const port = ['-n', switchSpace, 'link']
      await ip(...port, 'add', host, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space)
      await ip(...port, 'set', host, 'master', 'bridge', 'up')
      await ip('-n', space, 'addr', 'add', `${addressOf(host)}/24`, 'dev', 'eth0')
      await ip('-n', space, 'link', 'set', 'eth0', 'up')
      await ip('-n', space, 'link', 'set', 'lo', 'up')
    }
  }

  /** What a command on a host begins with. */
  on(host) {
    return ['ip', 'netns', 'exec', this.#name(host)]
  }

  /** Runs a program on a host. */
  run(host, program, args, options) {
    const [command, ...rest] = [...this.on(host), program, ...args]
    return run(command, rest, options)
  }

  /** Pulls a host's cable. */
  async cut(host) {
    await run('ip', ['-n', this.#name('switch'), 'link', 'set', host, 'down'])
  }

  async heal(host) {
    await run('ip', ['-n', this.#name('switch'), 'link', 'set', host, 'up'])
  }

  async down() {
    // One that was being made when the lab was stopped may not be there.
    const there = new Set((await run('ip', ['netns', 'list'])).split(/\s+/))
    for (const space of this.#made.splice(0)) {
      if (there.has(space)) await run('ip', ['netns', 'del', space])
    }
  }

  #name(host) {
    return this.#prefix + host
  }

  async #add(host, ip) {
    const space = this.#name(host)
    this.#made.push(space)
    await ip('netns', 'add', space)
    return space
  }
}
