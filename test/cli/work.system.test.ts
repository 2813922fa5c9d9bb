import { describe, expect, test } from 'vitest'
import { ok, sbr, start, temporaryFolder } from './cli.ts'
import { events, letters, pending, ring } from './journals.ts'

const lines = (stdout: Buffer): string[] => stdout.toString().trimEnd().split('\n').sort()

describe('work', () => {
  test('runs commands side by side, and one that is slow holds up no other', async () => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    await ok(['produce', path], 'slow\na\nb\nc\n')
    // The slow one ends only after the others have.
    const done = folder.file('done')
    const script = `op=$(cat); test $op != slow || until test $(cat ${done} | wc -l) = 3; do sleep 0.01; done; echo $op | tee -a ${done}`
    const args = ['work', path, '--drain', '--concurrency', '2', '--', 'sh', '-c', script]
    const ran = await ok(args)
    expect(ran.toString().trimEnd().split('\n').at(-1)).toBe('slow')
    expect(lines(ran)).toEqual(['a', 'b', 'c', 'slow'])
    expect(await pending(path)).toEqual([])
  })

  test('tries again, gives up into the ring of dead letters, and continues meanwhile', async () => {
    using folder = temporaryFolder()
    const [path, dead] = [await ring(folder), await ring(folder, 'dead')]
    await ok(['produce', path], 'bad\ngood\n')
    const flags = ['--drain', '--json', '--attempts', '3', '--retry-interval', '1ms']
    const script = 'op=$(cat); echo $SBR_ATTEMPT $op; test $op = good'
    const ended = await sbr([
      ...['work', path, ...flags, '--dead-letter', dead],
      ...['--', 'sh', '-c', script],
    ])
    expect([ended.code, lines(ended.stdout)]).toEqual([
      ...[0, ['1 bad', '1 good', '2 bad', '3 bad']],
    ])
    expect(events(ended.stderr).map(({ event }) => event)).toEqual([
      'retried',
      'retried',
      'deadLettered',
    ])
    expect([await pending(path), await letters(dead)]).toEqual([[], ['bad']])
    const shown = (await ok(['consume', dead, '--drain', '--envelope', '--json'])).toString()
    expect(JSON.parse(shown)).toMatchObject({
      headers: { 'sbr-attempts': '3', 'sbr-reason': 'sh ended with exit code 1' },
      id: expect.stringMatching(/^[0-9a-f-]{36}\/\d+:1$/),
    })
  })

  test('that is killed leaves no item behind', async () => {
    using folder = temporaryFolder()
    const path = await ring(folder)
    const items = Array.from({ length: 200 }, (_, n) => `item ${n}`)
    await ok(['produce', path], `${items.join('\n')}\n`)
    const seen: string[] = []
    const args = ['work', path, '--concurrency', '4', '--', 'sh', '-c', 'printf "%s\\n" "$(cat)"']
    for (let kills = 0; kills < 3; kills++) {
      await using running = start(args)
      await running.printed((stdout) => stdout.toString().split('\n').length > 10)
      running.child.kill('SIGKILL')
      seen.push(...lines((await running.ended).stdout))
    }
    seen.push(...lines(await ok([...args.slice(0, 4), '--drain', ...args.slice(4)])))
    expect(new Set(seen.filter((line) => line !== ''))).toEqual(new Set(items))
    expect(await pending(path)).toEqual([])
  })

  test.each([
    [['cat'], "so type: sbr work 'a ring' -- cat (CLI_USAGE)"],
    [
      ['cat', '-n'],
      "there is no flag -n; the command to run and its flags stand after --, so type: sbr work 'a ring' -- cat -n (see sbr help work)",
    ],
    [
      ['touch', '--reference', 'b'],
      "there is no flag --reference; the command to run and its flags stand after --, so type: sbr work 'a ring' -- touch --reference b (see",
    ],
  ])('of %j without -- says what to type', async (command, message) => {
    const { code, stderr } = await sbr(['work', 'a ring', ...command])
    expect(code).toBe(2)
    expect(stderr.toString()).toContain(message)
  })
})
