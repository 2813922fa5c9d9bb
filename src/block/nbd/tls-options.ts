/** TLS settings. They take precedence over the URI. */
export interface NbdTlsOptions {
  /** Certificates of trusted authorities, PEM. Default: those of Node. */
  readonly ca?: string | Uint8Array
  /** This client's certificate, PEM, for servers that demand one. */
  readonly cert?: string | Uint8Array
  /** Its private key, PEM. */
  readonly key?: string | Uint8Array
  /** The name that the server's certificate must have. Default: the host of the URI. */
  readonly hostname?: string
  /** Verify the server's certificate: if false, the server is not authenticated. Default true. */
  readonly verifyPeer?: boolean
  /** A key that both sides share, instead of certificates. */
  readonly psk?: {
    /** The name under which the server knows the key. */
    readonly username: string
    /** The key. */
    readonly key: Uint8Array
  }
}
