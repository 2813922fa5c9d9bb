import { lmdbContestant } from '../lib/lmdb-store.mjs'

export default lmdbContestant({
  title: 'lmdb, each commit flushed',
  short: 'lmdb',
  overlappingSync: false,
})
