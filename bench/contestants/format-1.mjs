import { ringContestant } from '../lib/ring-store.mjs'

export default ringContestant({
  title: 'shared-block-ring, format 1',
  short: 'format 1',
  format: 1,
})
