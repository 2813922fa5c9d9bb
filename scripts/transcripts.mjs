// npm run transcripts: writes docs/transcripts.md and its pictures: what people see at a terminal, at 80 and at 120 columns. Runs the built
// commands in tmux, on rings to which something has happened.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './built.mjs'

const WIDTHS = [80, 120]
/** Pixels. */
const CHARACTER = { width: 8.4, height: 18 }
// biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's colours begin with one
const COLOURS = /(\x1b\[[\d;]*m)/g
/** What the codes of a terminal are in a picture. */
const CLASSES = { 1: 'bold', 2: 'faint', 31: 'bad', 32: 'good' }

/** What befalls the rings before anybody looks. A prompt of a shell is not in sight meanwhile. */
const BEFORE = `
for ring in ring damaged full suspended leased hung; do sbr create $ring.img --size 256K; done
seq 1 25 | sbr produce ring.img
seq 1 1000 | sed 's/^/item /' | sbr produce damaged.img
node -e '
  const fs = require("node:fs")
  const content = fs.readFileSync("damaged.img")
  for (let n = 301; n < 400; n += 2) content.write("X", content.indexOf("item " + n))
  fs.writeFileSync("damaged.img", content)'
yes "$(head -c 3000 /dev/zero | tr '\\0' x)" | sbr produce full.img --no-wait
seq 1 3 | sbr produce suspended.img
sbr suspend suspended.img --timeout 100ms
seq 1 3 | sbr produce leased.img
sbr consume leased.img --lease host-a --lease-timeout 5s >/dev/null & dead=$!
while ! sbr lease show leased.img | grep -q 'consumer  held'; do sleep 0.1; done
kill -KILL $dead
seq 1 3 | sbr produce hung.img
sbr consume hung.img >/dev/null & hung=$!
while ! sbr head hung.img -n 1 2>&1 | grep -q empty; do sleep 0.1; done
kill -STOP $hung
sleep 11`

/** What somebody types, with what it is about. */
const SCENES = [
  ['The commands', ['sbr', 'sbr status ring.img']],
  ['A ring', ['sbr diagnostics ring.img', 'sbr diagnostics ring.img --no-items --exact']],
  [
    'A damaged ring',
    [
      'sbr consume damaged.img --drain | wc -l',
      'sbr consume damaged.img --drain --skip-damage | wc -l',
    ],
  ],
  [
    'A full ring',
    ['echo more | sbr produce full.img --no-wait', 'sbr diagnostics full.img --no-items'],
  ],
  [
    'A suspended ring',
    ['echo more | sbr produce suspended.img --no-wait', 'sbr diagnostics suspended.img --no-items'],
  ],
  [
    'A ring that a dead host leases',
    [
      'sbr diagnostics leased.img --no-items',
      'sbr lease break leased.img --role consumer',
      'sbr consume leased.img --drain --lease host-b',
    ],
  ],
  [
    'A ring whose consumer hangs',
    ['sbr consume hung.img --drain', 'sbr diagnostics hung.img --no-items'],
  ],
]

const folder = mkdtempSync(join(tmpdir(), 'sbr-transcripts-'))
try {
  const bin = join(folder, 'sbr')
  writeFileSync(bin, `#!/bin/sh\nexec '${process.execPath}' '${root}dist/cli/main.js' "$@"\n`)
  chmodSync(bin, 0o755)
  const shown = WIDTHS.map((columns) => [columns, record(columns)])
  for (const [columns, scenes] of shown) {
    const lines = scenes.flatMap(({ title, lines }, at) => [
      ...(at === 0 ? [] : ['']),
      ...[`\x1b[1m# ${title}\x1b[0m`, ...lines],
    ])
    writeFileSync(join(root, `docs/transcripts-${columns}.svg`), picture(lines, columns))
  }
  writeFileSync(join(root, 'docs/transcripts.md'), page(shown[0][1]))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Runs all scenes on a terminal of so many columns, and answers the lines of each, with their colours. */
function record(columns) {
  const socket = join(folder, `tmux-${columns}`)
  const tmux = (...args) => execFileSync('tmux', ['-S', socket, ...args], { encoding: 'utf8' })
  const work = mkdtempSync(join(folder, 'rings-'))
  const script = join(work, 'session')
  writeFileSync(script, sessionOf(work, socket))
  tmux(
    ...['-f', '/dev/null', 'new-session', '-d', '-x', String(columns), '-y', '50'],
    `bash ${script}`,
  )
  try {
    return SCENES.map(([title], at) => {
      tmux('wait-for', `scene-${at}`)
      const text = tmux('capture-pane', '-e', '-p', '-S', '-').trimEnd()
      tmux('clear-history')
      tmux('wait-for', '-S', `next-${at}`)
      return { title, lines: text.replaceAll(hostname(), 'host').split('\n') }
    })
  } finally {
    // At its end it may have gone by itself.
    spawnSync('tmux', ['-S', socket, 'kill-server'])
  }
}

function sessionOf(work, socket) {
  const wait = (...args) => `tmux -S ${socket} wait-for ${args.join(' ')}`
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`
  const scenes = SCENES.map(([, commands], at) => [
    ...['clear', `tmux -S ${socket} clear-history`],
    ...commands.flatMap((command) => [`printf '\\e[1m$ %s\\e[0m\\n' ${quoted(command)}`, command]),
    ...[wait('-S', `scene-${at}`), wait(`next-${at}`)],
  ])
  return [
    `cd ${work}; PATH=${folder}:$PATH; trap 'kill -KILL $hung' EXIT; { ${BEFORE}\n} >/dev/null 2>&1`,
    ...scenes.flat(),
  ].join('\n')
}

function plain(line) {
  return line.replace(COLOURS, '')
}

function page(scenes) {
  const parts = scenes.map(
    ({ title, lines }) => `## ${title}\n\n\`\`\`text\n${lines.map(plain).join('\n')}\n\`\`\`\n`,
  )
  return `# At a terminal

What people see, written by \`npm run transcripts\`: in colours, as the reader's light or dark setting wants them,
[at 80 columns](transcripts-80.svg) and [at 120](transcripts-120.svg), and here as text.

${parts.join('\n')}`
}

/** Lines with colours as a picture that has both settings. */
function picture(lines, columns) {
  const [width, height] = [columns * CHARACTER.width + 24, lines.length * CHARACTER.height + 24]
  const rows = lines.map(
    (line, at) => `<text x="12" y="${28 + at * CHARACTER.height - 2}">${spans(line)}</text>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<title>sbr at a terminal of ${columns} columns</title>
<style>
rect { fill: #fff } text { fill: #1f2328; font: 14px ui-monospace, Menlo, Consolas, monospace; white-space: pre }
.bold { font-weight: bold } .faint { fill: #59636e } .bad { fill: #c2222e } .good { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
  rect { fill: #0d1117 } text { fill: #f0f6fc } .faint { fill: #9198a1 } .bad { fill: #ff7b72 } .good { fill: #3fb950 }
}
</style>
<rect width="100%" height="100%"/>
${rows.join('\n')}
</svg>
`
}

function spans(line) {
  let classes = new Set()
  return line
    .split(COLOURS)
    .map((piece) => {
      const [, codes] = /^.\[([\d;]*)m$/.exec(piece) ?? []
      if (codes === undefined) return spanOf(piece, [...classes])
      for (const code of codes.split(';')) {
        if (code === '' || code === '0' || code === '39' || code === '22') classes = new Set()
        else if (CLASSES[code] !== undefined) classes.add(CLASSES[code])
      }
      return ''
    })
    .join('')
}

function spanOf(text, classes) {
  const safe = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return classes.length === 0 || text === ''
    ? safe
    : `<tspan class="${classes.join(' ')}">${safe}</tspan>`
}
