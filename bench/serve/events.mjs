import { request } from 'node:http'

/** What a page is sent. */
export class Events {
  count = 0
  bytes = 0
  #request
  #resolve
  #told = new Promise((resolve) => {
    this.#resolve = resolve
  })

  constructor(url) {
    this.#request = request(url, (response) => {
      response.on('data', (chunk) => {
        this.bytes += chunk.length
        this.count += chunk.toString('latin1').split('\n\n').length - 1
        this.#resolve()
      })
      response.on('error', () => undefined)
    })
    this.#request.on('error', () => undefined)
    this.#request.end()
  }

  async next() {
    await this.#told
  }

  close() {
    this.#request.destroy()
  }
}
