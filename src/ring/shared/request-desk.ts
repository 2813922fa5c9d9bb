import type { Consumer } from '../types.ts'

/** Answers the requests of other programs on this machine to a consumer, once there is one. */
export class RequestDesk {
  /** Set once the handle is made, which is after the claim. */
  consumer: Consumer | undefined

  readonly answer = async (request: string): Promise<string> => {
    if (this.consumer === undefined) return 'retry'
    if (request !== 'suspend' && request !== 'resume') return 'unknown request'
    return (await this.consumer[request]()).status
  }
}
