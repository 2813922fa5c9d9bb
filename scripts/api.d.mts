export const folder: string
export function apiReports(): Map<string, string>
