/**
 * Characters on which a terminal acts, that reorder the text around them, or that are invisible, so that two names look
 * alike: controls (C0, DEL, C1), line and paragraph separators, halves of surrogate pairs, and Unicode's default
 * ignorables: overrides of writing direction, zero-width spaces, byte order marks, tags, fillers.
 */
const UNSAFE = '[\\p{Cc}\\p{Zl}\\p{Zp}\\p{Cs}\\p{Default_Ignorable_Code_Point}\\ufff9-\\ufffb]'
const UNSAFE_RUNS = new RegExp(`${UNSAFE}+`, 'gu')
/** Items are text in any language, and joiners and variation selectors are part of its spelling. */
const UNSAFE_RUNS_IN_ITEMS = new RegExp(`(?:(?![\\u200c\\u200d\\ufe00-\\ufe0f])${UNSAFE})+`, 'gu')

/** Replaces each run of unsafe characters. */
export function replaceUnsafe(text: string, replace: (run: string) => string): string {
  return text.replace(UNSAFE_RUNS, replace)
}

/** As `replaceUnsafe`, for the text of an item. */
export function replaceUnsafeInItem(text: string, replace: (run: string) => string): string {
  return text.replace(UNSAFE_RUNS_IN_ITEMS, replace)
}
