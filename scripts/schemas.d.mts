import type { ZodType } from 'zod'

export const path: string
export const schemas: Readonly<Record<string, ZodType>>
export function schemasJson(): string
