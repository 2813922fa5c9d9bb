// What the lab says, as it goes on and at its end.

/** A chapter, when it is over. */
export function chapterLine({ title, pauses }) {
  const { producer, consumer } = pauses
  return `${title}: longest pause of the producer ${seconds(producer)}, of the consumer ${seconds(consumer)}`
}

/** A side that ended by itself. */
export function failureLine({ role, host, codes, message }) {
  return `  the ${role} on ${host} ended, and is started again: ${codes.join(' <- ')}: ${message}`
}

export function summary({ items, startMs, totalMs, repeats, takeoverMs, late, former }) {
  return [
    `${items} items in ${seconds(totalMs)}, of which ${seconds(startMs)} to start; ${repeats} delivered again`,
    `taking over took ${seconds(takeoverMs)} from the cut; the former producer ended with ${former.join(' <- ')}`,
    `its host's late write ended ${seconds(late.ms)} after the cable was in again, with ${late.codes.join(' <- ')}; ` +
      `the block holds what was written "${late.holds}" the takeover`,
    'nothing acknowledged was lost, nothing came out of order, nothing was made up; the ring is sound',
  ].join('\n')
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`
}
