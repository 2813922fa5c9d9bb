import { ringContestant } from '../lib/ring-store.mjs'

export default ringContestant({
  title: 'shared-block-ring, format 2',
  short: 'default',
  format: 2,
})
