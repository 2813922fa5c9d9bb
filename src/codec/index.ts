/**
 * Codecs encode items to bytes and decode them. Some wrap others: envelopes, compression, encryption.
 *
 * @module shared-block-ring/codec
 */
export { bytes } from './bytes.ts'
export { type CompressedOptions, compressed } from './compressed.ts'
export { deadLetters, type StoredDeadLetter } from './dead-letter.ts'
export { type EncryptedOptions, encrypted } from './encrypted.ts'
export type { AesKey, EncryptionKey, EncryptionKeys, WebCryptoKey } from './encryption-keys.ts'
export { type Envelope, type EnvelopeInput, envelope } from './envelope.ts'
export { json } from './json.ts'
export { type Encoder, type Packer, packer } from './packer.ts'
export { schema } from './schema.ts'
export { text } from './text.ts'
