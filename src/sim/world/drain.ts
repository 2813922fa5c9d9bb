type Resume = () => void

const macrotask: (resume: Resume) => void = pickMacrotask()

function pickMacrotask(): (resume: Resume) => void {
  const immediate = Reflect.get(globalThis, 'setImmediate') as
    | ((resume: Resume) => void)
    | undefined
  if (typeof immediate === 'function') return immediate
  const waiting: Resume[] = []
  const { port1, port2 } = new MessageChannel()
  port1.addEventListener('message', () => waiting.shift()?.())
  port1.start()
  return (resume) => {
    waiting.push(resume)
    port2.postMessage(undefined)
  }
}

/** Resolves once no promise can continue without I/O or time. */
export function drain(): Promise<void> {
  return new Promise<void>(macrotask)
}
