import { close } from 'node:fs'

/** Closes a descriptor, and ignores errors: nothing could be done about them. */
export function closeQuietly(fd: number | undefined): Promise<void> {
  if (fd === undefined) return Promise.resolve()
  return new Promise((resolve) => close(fd, () => resolve()))
}

/** Closes descriptors likewise. */
export async function closeAll(descriptors: readonly number[]): Promise<void> {
  for (const fd of descriptors) await closeQuietly(fd)
}
