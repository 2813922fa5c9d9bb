/**
 * The valid values of an option: a type as `typeof` names it, an `AbortSignal`, anything, one of some types, or one of
 * some values.
 */
export type OptionKind =
  | 'boolean'
  | 'number'
  | 'string'
  | 'bigint'
  | 'function'
  | 'object'
  | 'signal'
  | 'any'
  | readonly OptionKind[]
  | { readonly oneOf: readonly unknown[] }

/** The kind of each option of a call. The type makes sure that none is missing. */
export type OptionKinds<Options> = { readonly [Name in keyof Options]-?: OptionKind }

/**
 * Validates the options of a call, for programs without type checking: a misspelt option would be ignored silently.
 * @param call the name of the call, for the message
 * @throws {TypeError} an option is unknown or invalid; `undefined` counts as absent. A signal in place of the options
 *   is refused too, because it would be ignored
 */
export function checkOptions(
  call: string,
  options: object,
  kinds: Readonly<Record<string, OptionKind>>,
): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${call} takes an object with options, not ${String(options)}`)
  }
  if ('aborted' in options || 'abort' in options) {
    throw new TypeError(`${call} takes { signal }, not a signal or its controller`)
  }
  // Allocates nothing for valid options: calls on the path of every item validate theirs.
  for (const name of Object.keys(options)) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined
    if (kind === undefined) {
      throw new TypeError(`${call} has no option ${name}; it has ${Object.keys(kinds).join(', ')}`)
    }
    const value: unknown = options[name as never]
    if (value === undefined || isOf(kind, value)) continue
    throw new TypeError(`${call}: option ${name} is ${wordsOf(kind)}, not ${shown(value)}`)
  }
}

/** Selects the options that another call accepts. */
export function optionsOf<Options extends object, Other extends object>(
  options: Options,
  kinds: OptionKinds<Other>,
): Pick<Options, Extract<keyof Options, keyof Other>> {
  const entries = Object.entries(options).filter(([name]) => Object.hasOwn(kinds, name))
  return Object.fromEntries(entries) as Pick<Options, Extract<keyof Options, keyof Other>>
}

function isOf(kind: OptionKind, value: unknown): boolean {
  if (kind === 'any') return true
  if (kind === 'signal') return typeof value === 'object' && value !== null && 'aborted' in value
  if (typeof kind === 'string') return typeof value === kind && value !== null
  return 'oneOf' in kind ? kind.oneOf.includes(value) : kind.some((each) => isOf(each, value))
}

function wordsOf(kind: OptionKind): string {
  if (kind === 'signal') return 'an AbortSignal'
  if (typeof kind === 'string') return `a${kind === 'object' ? 'n' : ''} ${kind}`
  const words = 'oneOf' in kind ? kind.oneOf.map(shown) : kind.map(wordsOf)
  return words.join(' or ')
}

/** The value found, for a message: any value, even one that JSON cannot represent. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'function') return 'a function'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
