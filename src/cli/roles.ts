import type { BlockDevice } from '../block/device.ts'

/**
 * The role of a command that pushes, for all of its life. The producer's own does not last: it is given back while
 * a suspended ring is waited for, and a second command would wait beside the first.
 */
const PUSHING = 'produce'

/** Takes both ends of what a device holds, or is about to hold: until it is disposed of, nobody else is at work. */
export async function takeRoles(device: BlockDevice, holder: string): Promise<AsyncDisposable> {
  const taken: AsyncDisposable[] = []
  const giveBack = async (): Promise<void> => {
    for (const role of taken.reverse()) await role[Symbol.asyncDispose]()
  }
  try {
    for (const role of [PUSHING, 'producer', 'consumer']) {
      const claim = await device.claim(role, { holder })
      taken.push({ [Symbol.asyncDispose]: () => claim.release() })
    }
  } catch (error) {
    await giveBack()
    throw error
  }
  return { [Symbol.asyncDispose]: giveBack }
}

/**
 * Makes this the only command that pushes.
 * @throws {BlockError} `BLOCK_CLAIMED`
 */
export async function takePushing(device: BlockDevice, client: string): Promise<AsyncDisposable> {
  const holder = `client ${JSON.stringify(client)}`
  const claim = await device.claim(PUSHING, { holder, onRequest: async () => 'at work' })
  return { [Symbol.asyncDispose]: () => claim.release() }
}

/** Who is at work on this machine, as far as it is known: only some producers can be asked. */
export interface AtWork {
  readonly producer: true | undefined
  readonly consumer: boolean
}

/** Asks those who hold the roles whether they are there. */
export async function whoIsAtWork(device: BlockDevice): Promise<AtWork> {
  const isThere = async (role: string): Promise<boolean> =>
    (await device.ask(role, 'status')) !== undefined
  return {
    producer: (await isThere(PUSHING)) || undefined,
    consumer: await isThere('consumer'),
  }
}
