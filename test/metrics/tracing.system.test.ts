import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SpanKind } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../cli/cli.ts'

interface Told {
  readonly name: string
  readonly kind: SpanKind
  readonly traceId: string
  readonly spanId: string
  readonly parent?: string
  readonly linked: readonly string[]
  readonly attributes: Readonly<Record<string, unknown>>
}

/** The spans of a process that is one side of a ring, by their names. */
function spansOf(side: 'shop' | 'store', path: string): Readonly<Record<string, Told>> {
  const program = fileURLToPath(new URL('traced.mjs', import.meta.url))
  const printed = execFileSync(process.execPath, [program, side, path], { encoding: 'utf8' })
  const spans = printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Told)
  return Object.fromEntries(spans.map((span) => [span.name, span]))
}

test('what two processes do for an item is one trace', () => {
  using folder = temporaryFolder()
  const path = folder.file('orders.ring')
  const { buy, 'push orders': push } = spansOf('shop', path)
  const { 'process orders': handled, 'send the book': sent } = spansOf('store', path)
  expect(buy?.parent).toBeUndefined()
  expect(push).toMatchObject({
    ...{ kind: SpanKind.PRODUCER, traceId: buy?.traceId, parent: buy?.spanId },
    attributes: {
      'messaging.system': 'shared_block_ring',
      'messaging.operation.name': 'push',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'orders',
      'messaging.client.id': 'shop',
      'messaging.message.id': 'order-1',
      'messaging.shared_block_ring.message.position': '2:1',
    },
  })
  expect(handled).toMatchObject({
    ...{ kind: SpanKind.CONSUMER, traceId: buy?.traceId, parent: push?.spanId },
    linked: [push?.spanId],
    attributes: {
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'orders',
      'messaging.client.id': 'store',
      'messaging.message.id': 'order-1',
      'messaging.shared_block_ring.message.attempt': 1,
      'messaging.shared_block_ring.message.position': '2:1',
    },
  })
  expect(sent).toMatchObject({ traceId: buy?.traceId, parent: handled?.spanId })
})
