/** How to encrypt, and who is trusted. It goes before what the URI says. */
export interface NbdTlsOptions {
  /** Certificates of the authorities that are trusted, PEM. Default: those of Node. */
  readonly ca?: string | Uint8Array
  /** This client's certificate, PEM, for servers that demand one. */
  readonly cert?: string | Uint8Array
  /** Its private key, PEM. */
  readonly key?: string | Uint8Array
  /** The name that the server's certificate has to have. Default: the host of the URI. */
  readonly hostname?: string
  /** Accept any certificate: without it nobody knows who the server is. Default true. */
  readonly verifyPeer?: boolean
  /** A key that both sides know, in place of certificates. */
  readonly psk?: { readonly username: string; readonly key: Uint8Array }
}
