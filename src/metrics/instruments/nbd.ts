import type { NbdCommand, NbdEvent } from '../../block/nbd/transport/events.ts'
import { Histogram, LATENCIES } from '../histogram.ts'
import { each, instrumentOf, type MakeInstrument, one } from './instrument.ts'

type Each<Value> = Record<NbdCommand, Value>

interface NbdRecord {
  lost: number
  connected: number
  unreachable: number
  inFlight: number | undefined
  readonly times: Each<Histogram>
  readonly bytes: Each<number>
  readonly failures: Each<number>
}

function forEach<Value>(make: () => Value): Each<Value> {
  return {
    ...{ read: make(), write: make(), flush: make(), trim: make() },
    ...{ writeZeroes: make(), blockStatus: make() },
  }
}

/** Instruments of NBD clients. */
export const nbdInstrument: MakeInstrument = instrumentOf<NbdEvent, NbdRecord>({
  channel: 'shared-block-ring:nbd',
  labels: { device: ({ device }) => device },
  start: () => ({
    ...{ lost: 0, connected: 0, unreachable: 0, inFlight: undefined },
    times: forEach(() => new Histogram(LATENCIES)),
    bytes: forEach(() => 0),
    failures: forEach(() => 0),
  }),
  hear: (record, event) => {
    if (event.event !== 'request') {
      record[event.event]++
      return
    }
    const { command } = event
    record.inFlight = event.inFlight
    record.bytes[command] += event.bytes
    if (event.error !== undefined) record.failures[command]++
    record.times[command].observeMs(event.durationMs)
  },
  metrics: [
    each(
      'histogram',
      'nbd_request_seconds',
      'Time of a request, with waiting for its turn and for a connection.',
      'command',
      ({ times }) => times,
    ),
    each(
      'counter',
      'nbd_request_bytes_total',
      'Bytes of the export that requests were about.',
      'command',
      ({ bytes }) => bytes,
    ),
    each(
      'counter',
      'nbd_request_failures_total',
      'Requests that failed.',
      'command',
      (record) => record.failures,
    ),
    one(
      'gauge',
      'nbd_in_flight_requests',
      'Requests under way on a connection when the last one ended.',
      ({ inFlight }) => inFlight,
    ),
    one('counter', 'nbd_connections_lost_total', 'Connections lost.', ({ lost }) => lost),
    one(
      'counter',
      'nbd_connections_made_total',
      'Connections made again.',
      (record) => record.connected,
    ),
    one(
      'counter',
      'nbd_connection_failures_total',
      'Connections that could not be made again.',
      ({ unreachable }) => unreachable,
    ),
  ],
})
