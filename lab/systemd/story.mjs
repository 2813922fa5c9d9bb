// What happens to the units of examples/deploy while jobs are done.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Shorter times than the units have, so that the story ends soon; not so short that a busy machine does not feed a watchdog in time. */
const WATCHDOG_S = 15
const MAX_AGE_S = 3
const HURRY = {
  'jobs-writer.service': '[Service]\nRestartSec=1s\n',
  'jobs-check.timer':
    '[Timer]\nOnBootSec=\nOnActiveSec=1s\nOnUnitActiveSec=2s\nAccuracySec=100ms\n',
}
/** What the program `forbidden` can do outside of the unit. */
const FREE = [
  'write elsewhere',
  'see /tmp of the machine',
  'see home directories',
  'use the network',
  'make a program setuid',
  'tried',
]

/** The chapters, in order. Each ends when jobs are done again. */
export const CHAPTERS = [
  { title: 'installed as the README says: two users do jobs', happen: install },
  { title: 'the timer checks', happen: checkByTimer },
  { title: 'a job cannot do what the unit forbids', happen: confine },
  { title: 'the worker is stopped in order; the check fails, and recovers', happen: stopWorker },
  { title: 'the worker is killed', happen: killWorker },
  { title: 'sbr produce is killed', happen: killWriter },
  { title: 'the worker hangs: the watchdog restarts it', happen: hangWorker },
  { title: 'a job hangs: the watchdog restarts the worker', happen: hangJob },
  { title: 'a worker with an old backlog is let work', happen: workOff },
  { title: 'a job that always fails is given up, and the check says so', happen: giveUp },
  { title: 'the writer is stopped: what was printed is pushed', happen: stopWriter },
  { title: 'the machine is shut down in order, and boots', happen: reboot },
  { title: 'at the end every job is done', happen: end },
]

/** Runs what the README has root run, with the times of the lab. */
async function install({ machine, jobs, readme, worker }) {
  const [command] = /^ExecStart=(?:.*\\\n)*.*$/m.exec(worker)
  const hurried = command
    .replace(' 60m ', ` ${MAX_AGE_S}s `)
    .replace(' --attempts 5 ', ' --attempts 3 --retry-interval 100ms ')
  const times = `WatchdogSec=${WATCHDOG_S}s\nRestartSec=1s`
  const dropIns = {
    ...HURRY,
    'jobs-worker.service': `[Service]\n${times}\nExecStart=\n${hurried}\n`,
  }
  for (const [unit, text] of Object.entries(dropIns)) {
    const folder = join(machine.root, 'etc/systemd/system', `${unit}.d`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'lab.conf'), text)
  }
  const [, script] = /```sh\n(install [^`]*)```/.exec(readme)
  await machine.run(`cd /root/deploy\n${script}`)
  await jobs.goOn()
  assert.deepEqual(jobs.lines('writer'), ['jobs-writer'])
  assert.deepEqual(jobs.lines('worker'), ['jobs-worker'])
  const ring = await machine.run("stat --format='%U %G %a' /var/lib/jobs/jobs.img")
  assert.equal(ring, 'jobs-writer jobs 660')
}

async function checkByTimer({ machine }) {
  await machine.until('the check has succeeded', async () => {
    return /jobs\.img: ok, .* at work: producer and consumer$/m.test(await journal(machine))
  })
  await checkIs(machine, 'success')
}

async function confine({ machine, jobs }) {
  await machine.run('chmod 777 /srv; mkdir -m 755 /home/somebody; touch /tmp/of-the-machine')
  const user = 'setpriv --reuid=jobs-worker --regid=jobs --clear-groups'
  const outside = await machine.run(`${user} forbidden; rm -f /srv/written`)
  assert.deepEqual(outside.split('\n'), FREE)
  jobs.order('try')
  await machine.until('a job has tried', () => jobs.has('tried'))
  assert.deepEqual(jobs.lines('tried'), ['tried'])
  await jobs.goOn()
}

async function stopWorker({ machine, jobs }) {
  await stop(machine, 'jobs-worker')
  await checkIs(machine, 'exit-code')
  assert.match(await journal(machine), /: no consumer is at work on this machine$/m)
  await machine.run('systemctl start jobs-worker')
  await jobs.goOn()
  await checkIs(machine, 'success')
}

async function killWorker(lab) {
  await restarts(lab, 'jobs-worker', 'signal', async (main) => {
    await lab.machine.run(`kill -KILL ${main}`)
  })
}

async function killWriter(lab) {
  await restarts(lab, 'jobs-writer', 'exit-code', async (main) => {
    await lab.machine.run(`kill -KILL ${await sbrOf(lab.machine, main)}`)
  })
}

async function hangWorker(lab) {
  await restarts(lab, 'jobs-worker', 'watchdog', async (main) => {
    await lab.machine.run(`kill -STOP ${main}`)
  })
}

async function hangJob(lab) {
  const { machine, jobs } = lab
  await restarts(lab, 'jobs-worker', 'watchdog', () => jobs.order('hang'))
  assert.equal(jobs.has('hanging'), true)
  const left = await machine.run("grep -lzx '[i]nfinity' /proc/[0-9]*/cmdline || true")
  assert.equal(left, '')
}

/** Older than allowed, for twice as long as the watchdog waits; but jobs leave. */
async function workOff({ machine, jobs }) {
  const isLate = `! sbr check /var/lib/jobs/jobs.img --max-age ${MAX_AGE_S + 1}s`
  await stop(machine, 'jobs-worker')
  jobs.order('slow')
  await machine.until('jobs have waited for too long', () => machine.run(isLate).then(() => true))
  await machine.run('systemctl start jobs-worker')
  await keepsItsProcess(machine, async () => {
    await sleep(2000 * WATCHDOG_S, undefined, { signal: machine.signal })
  })
  await machine.run(isLate)
  jobs.countermand('slow')
  await machine.until('no job waits for long', () =>
    machine.run(`! { ${isLate}; }`).then(() => true),
  )
}

async function giveUp({ machine, jobs }) {
  await keepsItsProcess(machine, async () => {
    const poison = Number(jobs.lines('printed').at(-1)) + 10
    jobs.order('poison', String(poison))
    await checkIs(machine, 'exit-code')
    assert.match(await journal(machine), /failed\.img: the oldest item has waited/m)
    const user = 'setpriv --reuid=jobs-worker --regid=jobs --clear-groups'
    const failed = await machine.run(
      `${user} sbr consume /var/lib/jobs/failed.img --drain --envelope`,
    )
    assert.match(failed, new RegExp(`\t${poison}$`))
    await checkIs(machine, 'success')
    // It counts as done, and this is what it would have written.
    await machine.run(`echo ${poison} >>/var/lib/jobs/done`)
    await jobs.goOn()
  })
}

/** Lines wait in the pipe while it is stopped. */
async function stopWriter({ machine, jobs }) {
  const sbr = await sbrOf(machine, await machine.show('jobs-writer', 'MainPID'))
  await machine.run(`kill -STOP ${sbr}`)
  const { length } = jobs.lines('printed')
  await machine.until('lines wait', () => jobs.lines('printed').length > length + 5)
  await machine.run(`systemctl stop --no-block jobs-writer; kill -CONT ${sbr}`)
  await stop(machine, 'jobs-writer')
  const [printed, pushed] = [
    jobs.lines('printed').at(-1),
    await jobs.count('committed_items_total'),
  ]
  // make-jobs may have ended between printing a line and writing it down.
  assert.ok(pushed === Number(printed) || pushed === Number(printed) + 1, `${pushed} of ${printed}`)
  await machine.run('systemctl start jobs-writer')
  await jobs.goOn()
}

async function reboot({ machine, jobs }) {
  await machine.powerOff()
  await machine.boot()
  const last = await machine.run("journalctl --no-pager --boot=-1 --unit='jobs-w*' --lines=60")
  for (const unit of ['jobs-writer', 'jobs-worker']) {
    assert.match(last, new RegExp(`Stopped ${unit}\\.service`))
    assert.match(last, new RegExp(`${unit}\\.service: Deactivated successfully`))
  }
  await jobs.goOn()
  await checkIs(machine, 'success')
}

async function end({ machine, jobs, report }) {
  await stop(machine, 'jobs-writer')
  const isDone = async () => (await jobs.count('waiting_items')) === 0
  await machine.until('no job waits', isDone)
  await stop(machine, 'jobs-worker')
  await machine.run('sbr verify /var/lib/jobs/jobs.img && sbr verify /var/lib/jobs/failed.img')
  const pushed = await jobs.count('committed_items_total')
  const done = jobs.lines('done').map(Number)
  const all = new Set(done)
  const lost = Array.from({ length: pushed }, (_, index) => index + 1).filter(
    (job) => !all.has(job),
  )
  assert.deepEqual({ lost, done: all.size }, { lost: [], done: pushed })
  Object.assign(report, { jobs: pushed, repeats: done.length - all.size })
}

/** Does something to a unit, after which systemd has to start it again, and jobs are done again. */
async function restarts({ machine, jobs }, unit, result, act) {
  const main = await machine.show(unit, 'MainPID')
  await act(main)
  await machine.until(`${unit} has another process`, async () => {
    const now = await machine.show(unit, 'MainPID')
    return now !== '0' && now !== main
  })
  const ends = (await machine.journal(unit)).match(/Failed with result '[^']*'/g)
  assert.equal(ends?.at(-1), `Failed with result '${result}'`)
  await jobs.goOn()
}

/** The worker is not restarted meanwhile. */
async function keepsItsProcess(machine, act) {
  const before = await machine.show('jobs-worker', 'MainPID')
  await act()
  assert.equal(await machine.show('jobs-worker', 'MainPID'), before)
}

/** Stops a unit, in order. */
async function stop(machine, unit) {
  await machine.run(`systemctl stop ${unit}`)
  assert.equal(await machine.show(unit, 'Result'), 'success')
  assert.equal(await machine.show(unit, 'ActiveState'), 'inactive')
}

/** Waits until the check that the timer starts has ended so. */
async function checkIs(machine, result) {
  await machine.until(`the check has ended with ${result}`, async () => {
    return (await machine.show('jobs-check', 'Result')) === result
  })
}

function journal(machine) {
  return machine.journal('jobs-check')
}

/** The process of sbr that the shell of the writer has started after make-jobs. */
async function sbrOf(machine, shell) {
  const children = await machine.run(`cat /proc/${shell}/task/${shell}/children`)
  return children.split(' ')[1]
}
