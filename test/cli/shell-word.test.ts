import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { shellWord } from '../../src/util/shell-word.ts'

const NAMES = [
  ...['/dev/vg0/queue', 'ring.img', 'pool#orders', 'nbd://host:10809/a?b=c', 'C:\\rings\\new.img'],
  ...[
    '',
    ' ',
    "it's",
    '"',
    '$HOME',
    '`id`',
    '$(id)',
    'a; id',
    'a\nb',
    '#a',
    '~',
    '-',
    '*',
    '!!',
    'é',
  ],
  ...['\x1b[31m', 'a\\x1b', "\\'\n'", '\u202e', '\u{e0041}1', '\x85'],
]

test.each(NAMES)('a shell takes the word of %j for that text', (name) => {
  const word = shellWord(name)
  expect(word).not.toMatch(/\p{Cc}|\u202e|\u{e0041}/u)
  const { stdout, stderr } = spawnSync('bash', ['-c', `printf %s ${word}`], { encoding: 'utf8' })
  expect([stdout, stderr]).toEqual([name, ''])
})

test('what needs no quotes has none', () => {
  expect(NAMES.filter((name) => shellWord(name) === name)).toEqual([
    ...['/dev/vg0/queue', 'ring.img', 'pool#orders', '-'],
  ])
})
