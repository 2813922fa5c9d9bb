// What test files get as `vitest` in other runtimes: its functions for tests and its assertions, without the processes
// and the loader of modules, which need Node. It has no `vi` and no snapshots.
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  addCustomEqualityTesters,
  chai,
  GLOBAL_EXPECT,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from '@vitest/expect'

export {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  onTestFinished,
  test,
} from '@vitest/runner'

for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin)

/** As `expect.poll` of Vitest: asks until the assertion holds, or the time is up. */
function poll(
  ask: () => unknown,
  { timeout = 1000, interval = 50 }: { readonly timeout?: number; readonly interval?: number } = {},
): object {
  const asserting =
    (name: string | symbol) =>
    async (...args: readonly unknown[]): Promise<void> => {
      for (const end = performance.now() + timeout; ; ) {
        try {
          const assertion = chai.expect(await ask())
          return Reflect.apply(Reflect.get(assertion, name), assertion, args)
        } catch (error) {
          if (performance.now() >= end) throw error
        }
        await new Promise((resolve) => setTimeout(resolve, interval))
      }
    }
  return new Proxy({}, { get: (_, name) => asserting(name) })
}

export const expect: object = Object.assign(
  (value: unknown, message?: string): object => chai.expect(value, message),
  chai.expect,
  Reflect.get(globalThis, ASYMMETRIC_MATCHERS_OBJECT) as object,
  { addEqualityTesters: addCustomEqualityTesters, poll },
)
// Where the assertions look for their state.
Reflect.set(globalThis, GLOBAL_EXPECT, expect)
setState({ assertionCalls: 0 }, Reflect.get(globalThis, GLOBAL_EXPECT))

const PROVIDED = { format: 2, kind: 'quick' }

export function inject(key: keyof typeof PROVIDED): number | string {
  return PROVIDED[key]
}
