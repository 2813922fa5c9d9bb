export function taskOf(index: number): Uint8Array
export function indexOf(item: Uint8Array): number
export function fateOf(index: number): 'dead' | 'late' | 'well'
export function keyOf(index: number): number | undefined
