// Tables in Markdown, which are readable in a terminal too.

/** All tables of a result. */
export function tablesOf(result) {
  const tables = [...new Set(result.columns.map(({ table }) => table))]
  return [
    ...tables.map((table) => figures(result, table)),
    durability(result),
    ...result.left.map(({ id, why }) => `Left out: ${id}, because ${why}.`),
    ...result.contestants.flatMap(({ id, problems }) =>
      problems.map((problem) => `Failed: ${id}, ${problem}`),
    ),
    foot(result),
  ].join('\n\n')
}

function figures({ columns, contestants }, table) {
  const own = columns.filter((column) => column.table === table)
  const rows = contestants
    .filter(({ figures: all }) => own.some(({ id }) => all[id] !== undefined))
    .map(({ title, figures: all }) => [title, ...own.map(({ id }) => cell(all[id]))])
  return `${table}\n\n${markdown([['', ...own.map(({ title }) => title)], ...rows])}`
}

function cell(figure) {
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

function durability({ contestants }) {
  const rows = contestants
    .filter(({ limit }) => !limit)
    .map(({ title, flushes, durable }) => [
      title,
      flushes?.push.toFixed(2) ?? '',
      flushes?.take.toFixed(2) ?? '',
      durable === undefined ? 'not checked: strace is missing' : durable ? 'yes' : 'NO',
    ])
  const head = ['Flushes and flushing writes, counted with strace', 'a push', 'a take', 'durable']
  return markdown([head, ...rows])
}

function foot({ machine: { node, system, cpus, fileSystem }, rounds }) {
  return (
    `Medians of ${rounds} interleaved rounds, ± half the range. Node ${node}, ${system}, ${cpus}, ` +
    `${fileSystem}.`
  )
}

function markdown(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const line = (row) =>
    `| ${row.map((text, at) => (at === 0 ? text.padEnd(widths[at]) : text.padStart(widths[at]))).join(' | ')} |`
  const rule = `| ${widths.map((width, at) => (at === 0 ? '---'.padEnd(width) : `${'-'.repeat(Math.max(2, width - 1))}:`)).join(' | ')} |`
  const [head, ...body] = rows
  return [line(head), rule, ...body.map(line)].join('\n')
}
