import { describe, expect, test } from 'vitest'
import { isNbdUri, parseNbdUri } from '../../../src/block/nbd/uri.ts'
import { fc } from '../../helpers/property.ts'

describe('URIs that name an export', () => {
  test.each([
    ['nbd://host/export', { host: 'host', port: 10809 }, 'export'],
    ['NBD://Host:1234/', { host: 'host', port: 1234 }, ''],
    ['nbd://host', { host: 'host', port: 10809 }, ''],
    ['nbd://host:/a/b//c', { host: 'host', port: 10809 }, 'a/b//c'],
    ['nbd://[::1]:77/x', { host: '::1', port: 77 }, 'x'],
    ['nbd://10.0.0.1//x', { host: '10.0.0.1', port: 10809 }, '/x'],
    ['nbd://host/a%20%C3%A4/../+', { host: 'host', port: 10809 }, 'a ä/../+'],
    ['nbd+unix:///x?socket=/run/nbd.sock', { path: '/run/nbd.sock' }, 'x'],
    ['nbd+unix://?socket=a%26b', { path: 'a&b' }, ''],
  ])('%s', (uri, server, exportName) => {
    expect(isNbdUri(uri)).toBe(true)
    expect(parseNbdUri(uri)).toEqual({ uri, server, exportName, tls: undefined })
  })

  test('with TLS', () => {
    const nothing = {
      type: undefined,
      hostname: undefined,
      verifyPeer: undefined,
      certificates: undefined,
      pskFile: undefined,
      username: undefined,
    }
    expect(parseNbdUri('nbds://host/x').tls).toEqual(nothing)
    expect(parseNbdUri('nbds+unix:///x?socket=/s').tls).toEqual(nothing)
    const some = 'nbds://alice@host/x?tls-type=psk&tls-psk-file=/keys;tls-verify-peer=false'
    expect(parseNbdUri(some).tls).toEqual({
      ...nothing,
      type: 'psk',
      pskFile: '/keys',
      username: 'alice',
      verifyPeer: false,
    })
    const others = 'nbds://host/x?tls-certificates=%2Fpki&tls-hostname=h&tls-verify-peer=1'
    expect(parseNbdUri(others).tls).toEqual({
      ...nothing,
      certificates: '/pki',
      hostname: 'h',
      verifyPeer: true,
    })
  })

  test('any name and socket that are percent-encoded come back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ minLength: 1 }), (name, path) => {
        fc.pre(!`${name}${path}`.includes('\0') && Buffer.byteLength(name) <= 4096)
        const uri = `nbd+unix:///${encodeURIComponent(name)}?socket=${encodeURIComponent(path)}`
        expect(parseNbdUri(uri)).toMatchObject({ server: { path }, exportName: name })
      }),
    )
  })
})

describe('an invalid URI is refused', () => {
  test.each([
    ['ring.img', /begin with nbd:\/\//],
    ['http://host/x', /begin with nbd:\/\//],
    ['nbd+vsock://2/x', /begin with nbd:\/\//],
    ['nbd:///x', /name a host/],
    ['nbd://::1/x', /name a host/],
    ['nbd://host:0/x', /not a port/],
    ['nbd://host:65536/x', /not a port/],
    ['nbd://host/x?socket=/s', /'socket' is not known/],
    ['nbd://host/x?readonly=1', /'readonly' is not known/],
    ['nbd://host/x?tls-hostname=h', /use nbds/],
    ['nbd://alice@host/x', /use nbds/],
    ['nbd://host/x#y', /%23/],
    ['nbd://host/%', /percent-encoded/],
    ['nbd://host/%FF', /percent-encoded/],
    ['nbd://host/%00', /NUL/],
    ['nbd+unix:///x', /name the socket/],
    ['nbd+unix:///x?socket=', /'socket' is empty/],
    ['nbds://host/x?tls-hostname=', /'tls-hostname' is empty/],
    ['nbds://host/x?tls-certificates=', /'tls-certificates' is empty/],
    ['nbds://host/x?tls-psk-file=&tls-type=psk', /'tls-psk-file' is empty/],
    ['nbds://host/x?tls-username=', /'tls-username' is empty/],
    ['nbds://@host/x', /no name before its '@'/],
    ['nbd+unix:///x?socket', /has no value/],
    ['nbd+unix:///x?socket=/a&socket=/b', /twice/],
    ['nbd+unix://host/x?socket=/a', /third '\/'/],
    ['nbds://host/x?tls-type=anon', /does not authenticate the server/],
    ['nbds://host/x?tls-verify-peer=maybe', /true or false/],
    [`nbd://host/${'x'.repeat(4097)}`, /4096/],
  ])('%s', (uri, reason) => {
    expect(() => parseNbdUri(uri)).toThrow(reason)
    expect(() => parseNbdUri(uri)).toThrow(
      expect.objectContaining({ name: 'BlockError', code: 'BLOCK_URI', details: { device: uri } }),
    )
  })

  test.each([
    'nbd://alice:SECRET@host/x',
    'nbds://alice:SECRET@host:10809/x?tls-type=psk',
    'nbds://alice:123SECRET@[::1]/x',
    'nbds://:SECRET@host/x',
    'nbds://alice:SE/CRET@host/x',
    'nbds://alice:x?SECRET@host/x',
    'nbds://alice:SEC@RET@host/x#y',
    'nbds://alice:SECRET%@host/x',
    'nbd+ssh://alice:SECRET@host/x',
    'nbds+unix://alice:SECRET@/x?socket=/s',
  ])('a password is in no error: %s', (uri) => {
    const refused = expect.objectContaining({
      code: 'BLOCK_URI',
      message: expect.stringMatching(/^(?!.*(SECRET|SE|CRET|RET))nbd.*:\*\*\*@/s),
      details: { device: expect.stringMatching(/^nbd[^:]*:\/\/(alice)?:\*\*\*@/) },
    })
    expect(() => parseNbdUri(uri)).toThrow(refused)
  })

  test("a port, and an '@' in an export's name, are no password", () => {
    expect(parseNbdUri('nbd://host:10809/a@b')).toMatchObject({ exportName: 'a@b' })
    expect(parseNbdUri('nbd://host:/a:b@c')).toMatchObject({ exportName: 'a:b@c' })
    expect(parseNbdUri('nbd://[::1]:77/a:b@c')).toMatchObject({ exportName: 'a:b@c' })
    expect(parseNbdUri('nbd+unix:///a:b@c?socket=/s')).toMatchObject({ exportName: 'a:b@c' })
  })

  test('any text is either read or refused', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseNbdUri(`nbd://${text}`)
        } catch (error) {
          expect(error).toMatchObject({ code: 'BLOCK_URI' })
        }
      }),
    )
  })
})
