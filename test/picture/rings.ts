import type { Part, RingSeen } from '../../src/picture/snapshot.ts'

const BLOCK = 4096
const BYTES = 64 << 20

function part(kind: Part['kind'], name: string, offset: number, current = false): Part {
  const bytes = kind === 'guard' ? 3 * BLOCK : BLOCK
  return { kind, name, offset, bytes, note: 'as it should be', current }
}

/** A ring of format 2 on 64 MiB with a quarter in use, as a watch sees it. */
export const RING: RingSeen = {
  device: '/srv/jobs.img',
  at: 1_700_000_000_000,
  format: 2,
  ring: {
    uuid: '00000000-0000-0000-0000-000000000001',
    name: 'jobs',
    blockSize: BLOCK,
    onFull: 'wait',
  },
  deviceBytes: BYTES,
  parts: [
    part('guard', 'guard', 0),
    part('superblock', 'superblock 1', 3 * BLOCK),
    part('superblock', 'superblock 2', 4 * BLOCK),
    part('slot', 'producer slot 1', 5 * BLOCK, true),
    part('slot', 'producer slot 2', 6 * BLOCK),
    part('slot', 'consumer slot 1', 7 * BLOCK),
    part('slot', 'consumer slot 2', 8 * BLOCK, true),
    part('lease', 'producer lease', 9 * BLOCK),
    part('lease', 'consumer lease', 10 * BLOCK),
    part('superblock', 'superblock 3', BYTES - BLOCK),
  ],
  data: { offset: 11 * BLOCK, bytes: BYTES - 12 * BLOCK },
  log: { head: 11 * BLOCK, used: 16 << 20, tail: 11 * BLOCK + (16 << 20) },
  epochs: [{ epoch: 3, offset: 20 * BLOCK }],
  epoch: 3,
  waitingItems: 5000,
  waitingBytes: 10 << 20,
  stats: {
    committedItems: 20_000,
    committedBytes: 40 << 20,
    acknowledgedItems: 15_000,
    acknowledgedBytes: 30 << 20,
    damagedItems: 0,
    missedItems: 0,
    commits: 400,
    fullPushes: 0,
    lagMs: 60_000,
    oldestAt: 1_700_000_000_000 - 60_000,
    producerAt: 1_700_000_000_000 - 100,
    consumerAt: 1_700_000_000_000 - 200,
  },
  producer: {
    position: '3:20000',
    text: 'jobs used by gateway',
    writtenAt: 1_700_000_000_000 - 100,
    holder: { holder: 'client "gateway"', pid: 17, host: 'here' },
  },
  consumer: {
    position: '3:15000',
    text: 'jobs used by worker',
    writtenAt: 1_700_000_000_000 - 200,
    holder: null,
  },
  suspended: 'no',
  damage: [],
}

const EVIL = '"><script>alert(1)</script><b>\x1b[31m\u202e\' onload="x'

/** The same, with names that an enemy chose, and damage at the very end. */
export const HOSTILE: RingSeen = {
  ...RING,
  device: `/srv/${EVIL}`,
  ring: { ...(RING.ring as NonNullable<RingSeen['ring']>), name: EVIL },
  producer: { ...RING.producer, text: EVIL, holder: { holder: EVIL, pid: 1, host: EVIL } },
  consumer: { ...RING.consumer, text: EVIL },
  damage: [
    { offset: BYTES - BLOCK, bytes: BLOCK, severity: 'damage', structure: EVIL, problem: EVIL },
    {
      offset: BYTES - 2 * BLOCK,
      bytes: 8 * BLOCK,
      severity: 'damage',
      structure: EVIL,
      problem: EVIL,
    },
  ],
}
