import { ringContestant } from '../lib/ring-store.mjs'

export default ringContestant({
  title: 'shared-block-ring, format 2, past the page cache',
  short: 'direct',
  format: 2,
  device: { direct: true },
})
