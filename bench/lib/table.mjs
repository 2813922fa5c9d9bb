// Tables in Markdown, which are readable in a terminal too.

/** One table of a result: a row for each contestant that has figures in it, with how durable it was if asked for. */
export function figureTable({ columns, contestants }, table, { durability }) {
  const own = columns.filter((column) => column.table === table)
  const having = contestants.filter(({ figures }) => own.some(({ id }) => figures[id]))
  const rows = having.map(({ title, figures, ...row }) => [
    title,
    ...(durability ? [durabilityOf(row)] : []),
    ...own.map(({ id }) => cell(figures[id])),
  ])
  const head = [
    '',
    ...(durability ? ['flushes, push + take'] : []),
    ...own.map(({ title }) => title),
  ]
  return markdown([head, ...rows])
}

function durabilityOf({ flushes, durable }) {
  if (flushes === undefined) return 'not counted'
  const counts = Object.values(flushes).map((count) => count.toFixed(2))
  return `${counts.join(' + ')}${durable ? '' : ' NOT DURABLE'}`
}

/** A figure with its spread. */
export function cell(figure) {
  if (figure === undefined) return ''
  return `${compact(figure.median)} ±${Math.round(figure.spread * 100)} %`
}

/** Three digits are more than what one run tells. */
export function compact(number) {
  if (number >= 999_500) return `${(number / 1e6).toFixed(2)} M`
  if (number >= 99_950) return `${(number / 1e3).toFixed(0)} k`
  if (number >= 9_995) return `${(number / 1e3).toFixed(1)} k`
  if (number < 9.995) return number.toFixed(2)
  return Math.round(number).toLocaleString('en')
}

/** Rows of text as a table; the first row is its head. Columns of numbers are set to the right. */
export function markdown(rows) {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)))
  const line = (row) =>
    `| ${row.map((text, at) => (at === 0 ? text.padEnd(widths[at]) : text.padStart(widths[at]))).join(' | ')} |`
  const rule = `| ${widths.map((width, at) => (at === 0 ? '---'.padEnd(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  const [head, ...body] = rows
  return [line(head), rule, ...body.map(line)].join('\n')
}
