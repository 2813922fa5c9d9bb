import type { ExecFileException } from 'node:child_process'

const WITHOUT_NETWORK = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTCACHED)\b/

/**
 * What a test that installs packages lacks, if that is why npm failed.
 * @throws the error, if it is about something else
 */
export function withoutRegistry(error: unknown): string {
  const { stderr } = error as ExecFileException
  if (!WITHOUT_NETWORK.test(stderr ?? '')) throw error
  return 'a package can only be built and installed where npm reaches its registry'
}
