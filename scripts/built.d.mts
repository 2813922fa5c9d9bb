export const root: string
export const dist: string
export const stamp: string
export function sources(): string[]
export function whyBuild(): string | undefined
