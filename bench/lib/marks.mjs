/** What a worker asks for before and after `COMMITS` commits, followed by their kind. */
export const BEGIN = 'bench-begin-'
export const END = 'bench-end-'
export const COMMITS = 20
