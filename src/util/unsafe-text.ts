/**
 * Characters that a terminal would act on, that reorder the text around them, or that are invisible, so that two
 * names look alike: controls (C0, DEL, C1), line and paragraph separators, halves of surrogate pairs, and Unicode's
 * default ignorables: overrides of writing direction, zero-width spaces, byte order marks, tags, fillers.
 */
const UNSAFE = '[\\p{Cc}\\p{Zl}\\p{Zp}\\p{Cs}\\p{Default_Ignorable_Code_Point}\\ufff9-\\ufffb]'
const UNSAFE_RUNS = new RegExp(`${UNSAFE}+`, 'gu')
/** Items are text in any language: joiners, and variants of characters, are part of its spelling. */
const UNSAFE_RUNS_IN_ITEMS = new RegExp(`(?:(?![\\u200c\\u200d\\ufe00-\\ufe0f])${UNSAFE})+`, 'gu')

/** Replaces each run of characters that are not to be shown. */
export function replaceUnsafe(text: string, replace: (run: string) => string): string {
  return text.replace(UNSAFE_RUNS, replace)
}

/** The same of an item's text. */
export function replaceUnsafeInItem(text: string, replace: (run: string) => string): string {
  return text.replace(UNSAFE_RUNS_IN_ITEMS, replace)
}
