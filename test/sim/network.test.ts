import { describe, expect, test } from 'vitest'
import { type Caller, type Link, Network, type Socket } from '../../src/sim/net/network.ts'
import { Pipe } from '../../src/sim/net/pipe.ts'
import { Random } from '../../src/sim/world/random.ts'
import { Scheduler } from '../../src/sim/world/scheduler.ts'

const TRAITS = { latencyMs: 1, bytesPerMs: 100, segmentBytes: 10, windowBytes: 30 }

function bytesFrom(first: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, at) => first + at)
}

function pipe(traits = TRAITS) {
  const scheduler = new Scheduler()
  const came: number[] = []
  const told = { taken: 0, over: false, segments: 0 }
  const way = new Pipe(scheduler, new Random(1), traits, {
    arrive: (bytes) => {
      came.push(...bytes)
      told.segments++
    },
    taken: (bytes) => {
      told.taken += bytes
    },
    over: () => {
      told.over = true
    },
  })
  return { scheduler, came, told, way, idle: () => scheduler.run(() => false, 1000) }
}

describe('a pipe', () => {
  test('delivers all bytes in order, in pieces, and then ends', async () => {
    const { came, told, way, idle } = pipe()
    way.write([bytesFrom(0, 25), bytesFrom(25, 60)])
    way.finish()
    await idle()
    expect(came).toEqual([...bytesFrom(0, 85)])
    expect(told).toMatchObject({ taken: 85, over: true })
    expect(told.segments).toBeGreaterThanOrEqual(9)
  })

  test('takes no more than fits its window', async () => {
    const { told, way, scheduler } = pipe()
    way.write([bytesFrom(0, 100)])
    await scheduler.run(() => told.taken > 0, 10)
    expect(told.taken).toBe(30)
  })

  test('takes as long as its bytes do', async () => {
    const { way, idle, scheduler } = pipe()
    way.write([new Uint8Array(1000)])
    await idle()
    expect(scheduler.now).toBeGreaterThan(10)
    expect(scheduler.now).toBeLessThan(14)
  })

  test('delivers nothing while it stalls, or its receiver pauses it', async () => {
    const { came, way, idle, scheduler } = pipe()
    way.stall(50)
    way.write([bytesFrom(0, 5)])
    await scheduler.run(() => scheduler.now >= 49, 10)
    expect(came).toEqual([])
    await idle()
    expect(came).toEqual([0, 1, 2, 3, 4])
    way.pause(true)
    way.write([bytesFrom(5, 1)])
    await idle()
    expect(came).toHaveLength(5)
    way.pause(false)
    await idle()
    expect(came).toHaveLength(6)
  })

  test('delivers again as soon as it heals', async () => {
    const { came, way, idle, scheduler } = pipe()
    way.stall(5000)
    way.write([bytesFrom(0, 5)])
    await scheduler.run(() => scheduler.now > 0, 10)
    way.heal()
    await scheduler.run(() => came.length > 0, 10)
    expect(scheduler.now).toBeLessThan(10)
    await idle()
  })

  test('delivers what it had accepted from a sender that is gone, and no more', async () => {
    const { came, told, way, idle } = pipe()
    way.write([bytesFrom(0, 90)])
    way.abandon()
    await idle()
    expect(came).toEqual([...bytesFrom(0, 30)])
    expect(told.over).toBe(true)
  })
})

function network(lateBytes = false) {
  const scheduler = new Scheduler()
  const caller: Caller = { name: 'caller', alive: true, whenRunning: (happen) => happen() }
  const net = new Network<Caller>({
    scheduler,
    trace: () => undefined,
    traits: TRAITS,
    random: () => new Random(2),
    lateBytes,
  })
  const server = { got: [] as number[], ends: [] as (Error | undefined)[] }
  let socket: Socket | undefined
  let link: Link | undefined
  net.put('there', {
    accept: (end, each) => {
      socket = end
      link = each
      end.onData = (bytes) => server.got.push(...bytes)
      end.onEnd = (error) => server.ends.push(error)
    },
  })
  const signal = new AbortController().signal
  /** The client's end of a new connection, and what it hears. */
  const connect = async () => {
    let client: Socket | undefined
    void net.connect('there', caller, signal).then((end) => {
      client = end
    })
    await scheduler.run(() => client !== undefined, 100)
    const heard: (Error | undefined)[] = []
    const end = client as Socket
    end.onEnd = (error) => heard.push(error)
    return { client: end, heard, link: link as Link, server: socket as Socket }
  }
  return { net, scheduler, server, connect, caller, idle: () => scheduler.run(() => false, 1000) }
}

describe('a connection', () => {
  test('is refused where nobody listens', async () => {
    const { net, caller, idle } = network()
    const signal = new AbortController().signal
    const refused = net.connect('elsewhere', caller, signal)
    refused.catch(() => undefined)
    await idle()
    await expect(refused).rejects.toThrow('ECONNREFUSED')
  })

  test('is not answered by a machine that is off, until it is on again', async () => {
    const { net, caller, scheduler } = network()
    net.put('there', { silent: true })
    const { signal } = new AbortController()
    let connected = false
    void net.connect('there', caller, signal).then(() => {
      connected = true
    })
    await scheduler.run(() => scheduler.now > 500, 1000)
    expect(connected).toBe(false)
    net.put('there', { accept: () => undefined })
    await scheduler.run(() => connected, 1000)
    expect(connected).toBe(true)
  })

  test('ends with the signal’s reason', async () => {
    const { net, caller } = network()
    net.put('there', { silent: true })
    const giveUp = new AbortController()
    const given = net.connect('there', caller, giveUp.signal)
    giveUp.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
  })

  test('ends in order: all arrives, and both ends hear of it', async () => {
    const { connect, server, idle } = network()
    const { client, heard } = await connect()
    client.write([bytesFrom(0, 50)])
    client.end()
    await idle()
    expect(server.got).toHaveLength(50)
    expect(server.ends).toEqual([undefined])
    expect(heard).toEqual([undefined])
  })

  test('that is reset ends with an error on both sides, and nothing arrives any more', async () => {
    const { connect, server, idle, net } = network()
    const { client, heard, link } = await connect()
    client.write([bytesFrom(0, 50)])
    link.reset('a test says so')
    client.write([bytesFrom(50, 5)])
    await idle()
    expect(server.got).toEqual([])
    expect([...server.ends, ...heard]).toMatchObject([
      { code: 'ECONNRESET' },
      { code: 'ECONNRESET' },
    ])
    expect(net.links).toEqual([])
  })

  test('that is severed is silent for its client', async () => {
    const { connect, server, idle } = network()
    const { client, heard, link } = await connect()
    client.write([bytesFrom(0, 5)])
    link.sever()
    await idle()
    expect(server.ends).toHaveLength(1)
    expect(heard).toEqual([])
  })

  test.each([
    [false, 'nothing that its client had sent comes later'],
    [true, 'what its client had sent comes later'],
  ])('late bytes %s: %s', async (late) => {
    const { connect, server, idle } = network(late)
    const { client } = await connect()
    client.write([bytesFrom(0, 20)])
    client.destroy()
    const atOnce = server.got.length
    await idle()
    if (late) expect([atOnce, server.got.length]).toEqual([0, 20])
    else expect(server.got.length).toBe(atOnce)
    expect(server.ends).toHaveLength(1)
  })

  test('that its server closes delivers what the server had sent', async () => {
    const { connect, idle } = network()
    const { client, heard, server } = await connect()
    const got: number[] = []
    client.onData = (bytes) => got.push(...bytes)
    server.write([bytesFrom(0, 12)])
    server.destroy()
    await idle()
    expect(got).toHaveLength(12)
    expect(heard).toEqual([undefined])
  })
})
