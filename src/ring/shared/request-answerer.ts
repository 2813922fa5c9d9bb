import type { Consumer } from '../types.ts'

/** Answers requests of other programs on this machine to a consumer, once it exists. */
export class RequestAnswerer {
  /** Set once the handle exists, which is after the claim. */
  consumer: Consumer | undefined

  readonly answer = async (request: string): Promise<string> => {
    if (this.consumer === undefined) return 'retry'
    if (request !== 'suspend' && request !== 'resume') return 'unknown request'
    return (await this.consumer[request]()).status
  }
}
