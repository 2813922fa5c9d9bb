import { get, type IncomingHttpHeaders, request } from 'node:http'
import { expect, test } from 'vitest'
import { pictureAccess } from '../../src/cli/device/picture-access.ts'
import { PictureServer, type ServeOptions } from '../../src/picture/serve/server.ts'
import { temporaryFolder } from '../cli/cli.ts'
import { damage, makeRing } from '../cli/tools.ts'

const PAGE = '<!doctype html><style>b{}</style><script type="module">1</script>'
const TOKEN = 'a-token-of-this-test'

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Starts a server on a port of its own, and asks it. */
async function withServer(
  options: Partial<ServeOptions>,
  use: (
    ask: (path: string, headers?: Record<string, string>, method?: string) => Promise<Answer>,
    url: string,
  ) => Promise<void>,
): Promise<void> {
  await using server = new PictureServer({
    ...{
      devices: [],
      access: pictureAccess({}),
      host: '127.0.0.1',
      port: 0,
      token: undefined,
      showItems: false,
    },
    ...{
      page: PAGE,
      metrics: async () => 'up 1\n',
      health: async () => ({ ok: true, text: 'ok\n' }),
    },
    ...options,
  })
  const url = await server.listen()
  const ask = (
    path: string,
    headers: Record<string, string> = {},
    method = 'GET',
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      request(url.slice(0, -1) + path, { headers, method, agent: false }, (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          body += chunk
        })
        response.on('end', () =>
          resolve({ status: response.statusCode, headers: response.headers, body }),
        )
      })
        .on('error', reject)
        .end()
    })
  await use(ask, url)
}

/** The first event that a page is sent. */
function firstEvent(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asking = get(`${url}api/events`, { agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        if (!text.includes('\n\n')) return
        asking.destroy()
        resolve(text.slice('data: '.length, text.indexOf('\n\n')))
      })
    })
    asking.on('error', reject)
  })
}

test('the page has a strict policy, and is not cached', async () => {
  await withServer({}, async (ask) => {
    const { status, headers, body } = await ask('/')
    expect(status).toBe(200)
    expect(body).toBe(PAGE)
    const policy = headers['content-security-policy'] ?? ''
    expect(policy).toMatch(
      /^default-src 'none'; script-src 'sha256-[^ ;]+'; style-src 'sha256-[^ ;]+';/,
    )
    expect(policy).not.toContain('unsafe')
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(headers['cache-control']).toBe('no-store')
  })
})

test.each([
  ['localhost', 200],
  ['localhost:7575', 200],
  ['127.0.0.1:80', 200],
  ['[::1]:7575', 200],
  ['evil.example', 421],
  ['127.0.0.1.evil.example', 421],
  ['localhost@evil.example', 421],
])('a request as %s is answered %i', async (host, status) => {
  await withServer({}, async (ask) => expect((await ask('/', { Host: host })).status).toBe(status))
})

test.each(['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'])('%s is not answered', async (method) => {
  await withServer({}, async (ask) => expect((await ask('/', {}, method)).status).toBe(405))
})

test('a missing page is not found, whatever its name', async () => {
  await withServer({}, async (ask) => {
    for (const path of [
      '/nothing',
      '/constructor',
      '/__proto__',
      '/..%2f..%2fetc/passwd',
      '/api/history?ring=7',
      '/api/findings?ring=-1',
    ])
      expect((await ask(path)).status, path).toBe(404)
  })
})

test('nothing is answered without the token; a browser keeps it as a cookie', async () => {
  await withServer({ token: TOKEN }, async (ask) => {
    for (const path of [
      '/',
      '/metrics',
      '/healthz',
      '/api/events',
      '/api/settings',
      `/?token=${TOKEN}x`,
    ])
      expect((await ask(path)).status, path).toBe(401)
    expect((await ask('/metrics', { Authorization: `Bearer ${TOKEN}` })).status).toBe(200)
    const { status, headers } = await ask(`/?token=${TOKEN}`)
    expect({ status, location: headers.location }).toEqual({ status: 303, location: '/' })
    const [cookie = ''] = headers['set-cookie'] ?? []
    expect(cookie).toMatch(/HttpOnly; SameSite=Strict/)
    expect((await ask('/', { Cookie: cookie.split(';')[0] ?? '' })).status).toBe(200)
  })
})

test('items are refused unless --show-items was given', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'secret\n<b>two</b>\n')
  await withServer({ devices: [path] }, async (ask) => {
    const { status, body } = await ask('/api/items?ring=0')
    expect(status).toBe(403)
    expect(body).not.toContain('secret')
  })
  await withServer({ devices: [path], showItems: true }, async (ask) => {
    const items = JSON.parse((await ask('/api/items?ring=0')).body)
    expect(items).toMatchObject([
      { number: 1, bytes: 6, hex: Buffer.from('secret').toString('hex') },
      { number: 2, bytes: 10 },
    ])
  })
})

test('a page is sent all rings at once, and an error of one hides no other', async () => {
  using folder = temporaryFolder()
  const [good, bad] = [folder.file('good'), folder.file('bad')]
  await makeRing(good, 'one\n')
  await withServer({ devices: [good, bad] }, async (ask, url) => {
    const { rings } = JSON.parse(await firstEvent(url))
    expect(rings['0']).toMatchObject({ device: good, waitingItems: 1 })
    expect(rings['1']).toMatchObject({ device: bad, error: { code: 'BLOCK_OPEN' } })
    const points = JSON.parse((await ask('/api/history?ring=0')).body)
    expect(points[0]).toMatchObject({ waiting: 1, pushed: 1 })
  })
})

test('findings are what verifying finds', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\ntwo\n')
  await withServer({ devices: [path] }, async (ask) => {
    const ask2 = async () => JSON.parse((await ask('/api/findings?ring=0')).body)
    expect(await ask2()).toMatchObject({ sound: true, items: 2, findings: [] })
    damage(path, 12_288 + 8 * 4096 + 100)
    const found = await ask2()
    expect(found.sound).toBe(false)
    expect(found.findings[0]).toMatchObject({ severity: 'damage' })
  })
})

test('metrics and health are those of the command', async () => {
  await withServer({ health: async () => ({ ok: false, text: 'ring: full\n' }) }, async (ask) => {
    expect(await ask('/metrics')).toMatchObject({ status: 200, body: 'up 1\n' })
    expect(await ask('/healthz')).toMatchObject({ status: 503, body: 'ring: full\n' })
  })
})

test('a limited number of pages is updated at the same time', async () => {
  await withServer({}, async (ask, url) => {
    const asking = Array.from({ length: 16 }, () => get(`${url}api/events`, { agent: false }))
    await Promise.all(asking.map((one) => new Promise((resolve) => one.on('response', resolve))))
    expect((await ask('/api/events')).status).toBe(503)
    for (const one of asking) one.on('error', () => undefined).destroy()
  })
})
