import { test } from 'vitest'
import { Images } from '../run.ts'

// Images that the fuzzer drew, whole. The numbers are what `npm run fuzz -- --seed N` replays.

test.each([
  [4827, 'an inspection that began anew for ever'],
  [26133, 'the same, in another ring'],
  [27429, 'an item that was delivered again at the same position'],
])('image %i: %s', async (seed) => {
  const images = await Images.make()
  await images.run(images.image(seed), seed)
})
