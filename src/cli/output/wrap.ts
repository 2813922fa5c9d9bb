/** Text for the columns of a terminal: lines break between words, never in one. */

/** A paragraph as lines, each after `indent` spaces, the first after `first` instead. */
export function wrap(
  text: string,
  columns: number,
  indent = 0,
  first: string = ' '.repeat(indent),
): string {
  const lines: string[] = []
  let line = first
  let empty = true
  for (const word of text.split(/\s+/).filter(Boolean)) {
    if (!empty && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = ' '.repeat(indent)
      empty = true
    }
    line += empty ? word : ` ${word}`
    empty = false
  }
  return `${[...lines, line].join('\n')}\n`
}

/** A name and what it means, in two columns. A long name has a line of its own. */
export function row(name: string, meaning: string, nameColumns: number, columns: number): string {
  const indent = nameColumns + 4
  const start = `  ${name}`
  if (start.length + 2 <= indent) return wrap(meaning, columns, indent, start.padEnd(indent))
  return `${start}\n${wrap(meaning, columns, indent)}`
}

/** The longest name that is aligned; the few longer ones have lines of their own. */
const MOST_NAME_COLUMNS = 24

/** Names and what they mean, aligned. */
export function rows(
  table: readonly (readonly [name: string, meaning: string])[],
  columns: number,
): string {
  const fitting = table.map(([name]) => name.length).filter((length) => length <= MOST_NAME_COLUMNS)
  const nameColumns = Math.max(0, ...fitting)
  return table.map(([name, meaning]) => row(name, meaning, nameColumns, columns)).join('')
}

/** A command line, continued with backslashes where it would not fit. Quoted words stay whole. */
export function wrapCommand(line: string, columns: number): string {
  if (line.length <= columns) return `${line}\n`
  const [indent = ''] = /^ */.exec(line) ?? []
  const words = line.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? []
  const lines: string[] = []
  let current = indent
  for (const word of words) {
    const joined = current.trim() === '' ? `${current}${word}` : `${current} ${word}`
    if (joined.length + 2 > columns && current.trim() !== '') {
      lines.push(`${current} \\`)
      current = `${indent}    ${word}`
    } else {
      current = joined
    }
  }
  return `${[...lines, current].join('\n')}\n`
}
