/** Roles count sectors of this size, because one device can be opened with sectors of any. */
const ROLE_SECTOR = 512

/**
 * The name, on the device below, of a role of a part of it that begins at a byte: `role@sector`, in sectors of 512
 * bytes. A role that already names a sector, as that of a part of this part, is moved along. At the start of a device
 * it has its plain name.
 */
export function roleBelow(role: string, startBytes: number): string {
  const [name = role, sector = '0'] = role.split('@')
  const sectorBelow = Number(sector) + Math.floor(startBytes / ROLE_SECTOR)
  return sectorBelow === 0 ? name : `${name}@${sectorBelow}`
}

/** The role in a name, and the byte of the device where the owner of the role begins. */
export function placeOfRole(role: string): { readonly name: string; readonly startBytes: number } {
  const [name = role, sector = '0'] = role.split('@')
  return { name, startBytes: Number(sector) * ROLE_SECTOR }
}
