/**
 * The version of this package: here too, because a program made into a single file has no package.json. A test compares
 * them.
 */
export const VERSION = '0.1.0'
