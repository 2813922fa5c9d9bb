/** A replacement in a module: `find` has to occur exactly once. */
export interface Patch {
  readonly file: string
  readonly find: string
  readonly replace: string
}

export declare function modules(): string[]
export declare function transpile(
  folder: string,
  names: readonly string[],
  patches?: readonly Patch[],
): void
/** @throws what a patch replaces does not occur exactly once */
export declare function patched(name: string, patches: readonly Patch[]): string
