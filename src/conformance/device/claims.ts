import { isBlockError } from '../../errors.ts'
import { check, checkAnswers, checkEqual, checkRefused, pause, within } from '../assert.ts'
import { call, pattern, put } from './bytes.ts'
import type { CaseContext, DeviceCase } from './case.ts'

/** A holder has a second to answer; this leaves room for a busy machine. */
const ASK_MS = 5000
/** Time limit for a change to be reported, with a write every 50 ms. */
const WATCH_MS = 10_000

async function checkClaimed(run: () => Promise<unknown>, holder: string): Promise<void> {
  const error = await checkAnswers('BLOCK_CLAIMED', run, 'claiming a role that is held')
  check(isBlockError(error), 'BLOCK_CLAIMED must be a BlockError')
  checkEqual(error.details.holder, holder, 'details.holder')
}

async function exclusive({ device }: CaseContext): Promise<void> {
  const claim = await device.claim('producer', { holder: 'first holder' })
  await checkClaimed(() => device.claim('producer', { holder: 'second' }), 'first holder')
  const other = await device.claim('consumer', { holder: 'third' })
  await (await device.claim('producer@8', { holder: 'fourth' })).release()
  await claim.release()
  await checkClaimed(() => device.claim('consumer', { holder: 'second' }), 'third')
  const next = await device.claim('producer', { holder: 'fifth' })
  await claim.release()
  await checkClaimed(() => device.claim('producer', { holder: 'second' }), 'fifth')
  await Promise.all([next.release(), next.release(), other.release()])
  await (await device.claim('producer', { holder: 'sixth' })).release()
}

async function acrossHandles(context: CaseContext): Promise<void> {
  const { device } = context
  const second = await context.openSecond()
  const onRequest = async (request: string): Promise<string> => `${request} to you`
  await device.claim('producer', { holder: 'first handle', onRequest })
  await checkClaimed(() => second.claim('producer', { holder: 'second' }), 'first handle')
  const answer = await within(ASK_MS, second.ask('producer', 'hello'), 'an answer')
  checkEqual(answer, 'hello to you', 'the answer to another handle')
  await device.disconnect()
  checkEqual(await second.ask('producer', 'hello'), undefined, 'ask after the holder left')
  await (await second.claim('producer', { holder: 'second' })).release()
}

async function roleNames({ device }: CaseContext): Promise<void> {
  for (const good of ['a', 'producer-2', 'x'.repeat(32), `${'9'.repeat(32)}@4503599627370496`]) {
    await (await device.claim(good, { holder: 'suite' })).release()
    checkEqual(await device.ask(good, 'hello'), undefined, 'ask without a holder')
  }
  const bad = ['', 'Producer', 'a b', 'a/b', '..', 'a\n', 'ä', 'x'.repeat(33), null, undefined, 1]
  for (const role of bad) {
    const what = `the role name ${JSON.stringify(role)}`
    await checkRefused(() => call(device, 'claim', role, { holder: 'suite' }), what)
    await checkRefused(() => call(device, 'ask', role, 'hello'), what)
    await checkRefused(() => call(device, 'holderOf', role), what)
  }
}

async function answers({ device }: CaseContext): Promise<void> {
  const ask = (request: string): Promise<string | undefined> =>
    within(ASK_MS, device.ask('consumer', request), 'an answer, or none,')
  checkEqual(await ask('hello'), undefined, 'ask without a holder')
  const echo = async (request: string): Promise<string> => request
  const claim = await device.claim('consumer', { holder: 'suite', onRequest: echo })
  for (const request of ['hello', 'ä€𝄞 "\\', 'x'.repeat(1024), '']) {
    checkEqual(await ask(request), request, 'the holder’s answer')
  }
  for (const bad of ['two\nlines', 'x'.repeat(1025), '€'.repeat(342), undefined]) {
    await checkRefused(() => call(device, 'ask', 'consumer', bad), 'more than a short line')
  }
  checkEqual(await device.ask('producer', 'hello'), undefined, 'ask of another role')
  await claim.release()
  checkEqual(await ask('hello'), undefined, 'ask after the release')
}

async function noAnswer({ device }: CaseContext): Promise<void> {
  const holders: readonly ((() => Promise<string>) | undefined)[] = [
    undefined,
    () => Promise.reject(new Error('the suite’s holder fails')),
    () => new Promise(() => undefined),
  ]
  for (const onRequest of holders) {
    const options = { holder: 'suite', ...(onRequest === undefined ? {} : { onRequest }) }
    const claim = await device.claim('consumer', options)
    const answer = await within(ASK_MS, device.ask('consumer', 'hello'), 'giving up on an answer')
    checkEqual(answer, undefined, 'ask of a holder that does not answer')
    await claim.release()
  }
}

/** A device that cannot determine the holder of a role returns undefined. */
async function holders({ device }: CaseContext): Promise<void> {
  const named = async (role: string): Promise<string | undefined> =>
    (await within(ASK_MS, device.holderOf(role), 'a holder, or none,'))?.holder
  checkEqual(await named('consumer'), undefined, 'the holder of a role that is free')
  const claim = await device.claim('consumer', { holder: 'suite' })
  const found = await named('consumer')
  check(found === 'suite' || found === undefined, `the holder is 'suite', not '${String(found)}'`)
  checkEqual(await named('producer'), undefined, 'the holder of another role')
  await claim.release()
  checkEqual(await named('consumer'), undefined, 'the holder after the release')
}

async function writeUntil(context: CaseContext, done: () => boolean): Promise<void> {
  for (let seed = 0; !done() && seed < WATCH_MS / 50; seed++) {
    await put(context, 2, pattern(context.info, 1, seed))
    await pause(50)
  }
  check(done(), `a watch has to call back within ${WATCH_MS} ms of writes`)
}

async function watches(context: CaseContext): Promise<void> {
  const { device } = context
  let [calls, others] = [0, 0]
  const watch = device.watch(() => {
    calls++
  })
  const other = device.watch(() => {
    others++
  })
  await writeUntil(context, () => calls > 0 && others > 0)
  watch.close()
  watch.close()
  const seen = calls
  others = 0
  await writeUntil(context, () => others > 0)
  checkEqual(calls, seen, 'calls of a watch after its close')
  other.close()
}

async function watchesOthers(context: CaseContext): Promise<void> {
  const second = await context.openSecond()
  let calls = 0
  const watch = second.watch(() => {
    calls++
  })
  await writeUntil(context, () => calls > 0)
  watch.close()
}

/** Claims, asking a holder, and watching. */
export const roleCases: readonly DeviceCase[] = [
  { name: 'a role has one holder, and a refusal names it', capability: 'claim', run: exclusive },
  {
    name: 'a role is exclusive between handles, until the holder’s disconnects',
    needs: 'openSecond',
    capability: 'claim',
    run: acrossHandles,
  },
  { name: 'what is no role name is refused', capability: 'claim', run: roleNames },
  { name: 'ask is answered by the holder alone', capability: 'claim', run: answers },
  { name: 'ask gives up on a holder that does not answer', capability: 'claim', run: noAnswer },
  { name: 'holderOf names the holder of a role alone', capability: 'claim', run: holders },
  { name: 'watch reports changes until it is closed', capability: 'watch', run: watches },
  {
    name: 'watch reports what another handle writes',
    needs: 'openSecond',
    capability: 'watch',
    run: watchesOthers,
  },
]
