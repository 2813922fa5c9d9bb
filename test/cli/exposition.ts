/** A sample of the text format of Prometheus. */
interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** All samples of a name. */
export interface MetricFamily {
  readonly type: string
  readonly help: string
  readonly samples: readonly Sample[]
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const HELP = new RegExp(`^# HELP (${NAME}) ((?:[^\\\\]|\\\\[\\\\n])+)$`)
const TYPE = new RegExp(`^# TYPE (${NAME}) (gauge|counter)$`)
const SAMPLE = new RegExp(`^(${NAME})\\{(.*)\\} (\\S+)$`)
/** Only these three escapes are defined. */
const PAIR = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"(?:,(?!$)|$)/
const VALUE = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/

/**
 * Reads the text format of Prometheus, version 0.0.4, as strictly as it is specified: one help and one type before the
 * samples of a name, no sample elsewhere, no two with the same labels.
 */
export function parseExposition(text: string): ReadonlyMap<string, MetricFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const families = new Map<string, MetricFamily>()
  const lines = text.slice(0, -1).split('\n')
  for (let at = 0; at < lines.length; ) {
    const [, name = '', help = ''] = matched(HELP, lines[at++])
    const [, typed, type = ''] = matched(TYPE, lines[at++])
    if (typed !== name || families.has(name)) throw new Error(`${name} is described twice`)
    if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`${name} is no ${type}`)
    const samples: Sample[] = []
    const seen = new Set<string>()
    for (; at < lines.length && !lines[at]?.startsWith('#'); at++) {
      const [, of, pairs = '', value = ''] = matched(SAMPLE, lines[at])
      if (of !== name) throw new Error(`a sample of ${of} is among those of ${name}`)
      matched(VALUE, value)
      const labels = parseLabels(pairs)
      const key = JSON.stringify(Object.entries(labels).sort())
      if (seen.has(key)) throw new Error(`${name} has two samples with ${key}`)
      seen.add(key)
      samples.push({ labels, value: Number(value) })
    }
    if (samples.length === 0) throw new Error(`${name} has no samples`)
    families.set(name, { type, help, samples })
  }
  return families
}

function parseLabels(pairs: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (let rest = pairs; rest !== ''; ) {
    const [all, name = '', text = ''] = matched(PAIR, rest)
    if (name in labels) throw new Error(`the label ${name} is there twice`)
    labels[name] = text.replace(/\\(.)/g, (_, escaped) => (escaped === 'n' ? '\n' : escaped))
    rest = rest.slice(all.length)
  }
  return labels
}

function matched(pattern: RegExp, text: string | undefined): RegExpExecArray {
  const match = pattern.exec(text ?? '')
  if (match === null) throw new Error(`${JSON.stringify(text)} does not match ${pattern}`)
  return match
}
