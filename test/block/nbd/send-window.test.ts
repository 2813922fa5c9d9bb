import { describe, expect, test } from 'vitest'
import { COMMAND } from '../../../src/block/nbd/protocol.ts'
import type { Request } from '../../../src/block/nbd/transport/request.ts'
import { PIECES_IN_WINDOW, SendWindow } from '../../../src/block/nbd/transport/send-window.ts'
import { ALWAYS } from '../../../src/block/permit.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'

const KiB = 1024
const MiB = KiB * KiB

function request(length: number, command: number = COMMAND.write): Request {
  return { command, flags: 0, offset: 0, length, parts: [], permit: ALWAYS }
}

/** A window, and what went through it in order. */
class Scene {
  readonly clock = new FakeClock()
  readonly window: SendWindow
  readonly sent: string[] = []
  readonly #inFlight = new Map<string, { readonly request: Request; readonly sentAt: number }>()

  constructor(places: number) {
    this.window = new SendWindow(places, this.clock)
  }

  async begin(name: string, asked: Request): Promise<void> {
    void this.window.enter(asked).then(() => {
      this.sent.push(name)
      this.#inFlight.set(name, { request: asked, sentAt: this.clock.now() })
    })
    await this.clock.settle()
  }

  async end(name: string): Promise<void> {
    const ended = this.#inFlight.get(name)
    if (ended === undefined) throw new Error(`${name} was not sent`)
    this.#inFlight.delete(name)
    this.window.answered(ended.request, ended.sentAt)
    this.window.leave(ended.request)
    await this.clock.settle()
  }

  /** Sends bulk transfers that fill the window, and answers them after a time. */
  async fill(ms: number): Promise<void> {
    const { pieceBytes } = this.window
    const names = Array.from({ length: PIECES_IN_WINDOW }, (_, at) => `${this.sent.length}-${at}`)
    for (const name of names) await this.begin(name, request(pieceBytes))
    await this.clock.advance(ms)
    for (const name of names) await this.end(name)
  }
}

test('no more requests are in flight than there are places, and they go in order', async () => {
  const scene = new Scene(2)
  for (const name of ['a', 'b', 'c', 'd']) await scene.begin(name, request(512))
  expect(scene.sent).toEqual(['a', 'b'])
  expect(scene.window.load).toBe(4)
  await scene.end('b')
  expect(scene.sent).toEqual(['a', 'b', 'c'])
  await scene.end('a')
  expect(scene.sent).toEqual(['a', 'b', 'c', 'd'])
  await scene.end('c')
  await scene.end('d')
  expect(scene.window.load).toBe(0)
})

describe('bulk data', () => {
  test('stays within the window, and goes in order', async () => {
    const scene = new Scene(64)
    for (let at = 0; at < 6; at++) await scene.begin(`bulk ${at}`, request(64 * KiB, at % 2))
    expect(scene.sent).toEqual(['bulk 0', 'bulk 1', 'bulk 2', 'bulk 3'])
    await scene.clock.advance(700)
    await scene.end('bulk 2')
    expect(scene.sent.slice(4)).toEqual(['bulk 4', 'bulk 5'])
  })

  test('does not overtake data that has waited longer, even if it would fit', async () => {
    const scene = new Scene(64)
    await scene.begin('first', request(192 * KiB))
    await scene.begin('second', request(128 * KiB))
    await scene.begin('third', request(64 * KiB))
    expect(scene.sent).toEqual(['first'])
    await scene.end('first')
    expect(scene.sent).toEqual(['first', 'second', 'third'])
  })

  test('that is larger than the window goes alone', async () => {
    const scene = new Scene(64)
    await scene.begin('large', request(4 * MiB))
    await scene.begin('larger', request(8 * MiB))
    await scene.begin('small', request(4 * KiB))
    expect(scene.sent).toEqual(['large', 'small'])
    await scene.end('large')
    expect(scene.sent).toEqual(['large', 'small', 'larger'])
  })

  test.each([2, 3, 64])('leaves one of %i places for small requests', async (places) => {
    const scene = new Scene(places)
    // Zeroes take no room in the window, but keep the server busy.
    for (let at = 0; at < 100; at++) {
      await scene.begin('zeroes', request(MiB, COMMAND.writeZeroes))
    }
    expect(scene.sent).toHaveLength(places - 1)
    await scene.begin('small', request(4 * KiB))
    expect(scene.sent.at(-1)).toBe('small')
  })

  test('is sent even if there is only one place', async () => {
    const scene = new Scene(1)
    await scene.begin('first', request(MiB))
    await scene.begin('second', request(MiB))
    expect(scene.sent).toEqual(['first'])
    await scene.end('first')
    expect(scene.sent).toEqual(['first', 'second'])
  })
})

test('small requests overtake waiting bulk data', async () => {
  const scene = new Scene(1)
  await scene.begin('first', request(MiB))
  await scene.begin('bulk', request(MiB))
  await scene.begin('look', request(32 * KiB, COMMAND.read))
  await scene.begin('flush', request(0, COMMAND.flush))
  await scene.begin('status', request(MiB, COMMAND.blockStatus))
  for (const next of ['first', 'look', 'flush', 'status', 'bulk']) await scene.end(next)
  expect(scene.sent).toEqual(['first', 'look', 'flush', 'status', 'bulk'])
})

test('waiting bulk data gets its turn after sixteen small requests', async () => {
  const scene = new Scene(1)
  await scene.begin('first', request(MiB))
  for (let at = 0; at < 3; at++) await scene.begin(`bulk ${at}`, request(MiB))
  for (let at = 0; at < 40; at++) await scene.begin(`small ${at}`, request(512))
  for (let at = 0; at < 43; at++) await scene.end(scene.sent[at] ?? '')
  const places = [0, 1, 2].map((at) => scene.sent.indexOf(`bulk ${at}`))
  expect(places).toEqual([17, 34, 43])
})

describe('the window', () => {
  test('grows from pieces of 64 KiB to 4 MiB while answers are quick', async () => {
    const scene = new Scene(64)
    const pieces = new Set<number>()
    for (let round = 0; round < 40; round++) {
      pieces.add(scene.window.pieceBytes)
      await scene.fill(100)
    }
    expect([...pieces]).toEqual([64, 128, 256, 512, 1024, 2048, 4096].map((n) => n * KiB))
  })

  test('does not grow by what does not fill it', async () => {
    const scene = new Scene(64)
    for (let at = 0; at < 100; at++) {
      await scene.begin('one', request(64 * KiB))
      await scene.end('one')
    }
    expect(scene.window.pieceBytes).toBe(64 * KiB)
  })

  test('is halved once for requests that are slow together, down to 64 KiB', async () => {
    const scene = new Scene(64)
    for (let round = 0; round < 40; round++) await scene.fill(100)
    expect(scene.window.pieceBytes).toBe(4 * MiB)
    await scene.fill(1200)
    expect(scene.window.pieceBytes).toBe(2 * MiB)
    for (let round = 0; round < 20; round++) {
      await scene.begin('slow', request(64 * KiB))
      await scene.clock.advance(1200)
      await scene.end('slow')
    }
    expect(scene.window.pieceBytes).toBe(64 * KiB)
    await scene.begin('one', request(64 * KiB))
    await scene.begin('another', request(64 * KiB))
    expect(scene.sent.at(-1)).toBe('one')
    await scene.clock.advance(100)
    await scene.end('one')
    expect(scene.sent.at(-1)).toBe('another')
  })

  test('is not halved if every answer is equally slow', async () => {
    const scene = new Scene(64)
    for (let round = 0; round < 40; round++) await scene.fill(3000)
    expect(scene.window.pieceBytes).toBe(4 * MiB)
  })

  test('starts again over another connection', async () => {
    const scene = new Scene(64)
    for (let round = 0; round < 40; round++) await scene.fill(100)
    scene.window.reset()
    expect(scene.window.pieceBytes).toBe(64 * KiB)
  })
})
