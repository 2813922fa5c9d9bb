import type { BlockDevice } from '../../block/device.ts'
import { isBlockError } from '../../errors.ts'
import { Violation } from '../runs/violation.ts'
import type { SimProcess } from '../world/process.ts'
import { RoleActor } from './actor.ts'

/** What the handles of both roles have in common. */
interface RoleHandle {
  readonly process: SimProcess
}

/** A role with a handle and, after a second one was attached where nothing excludes it, the older one. */
export abstract class HandleActor<
  Step extends { readonly id: number },
  Handle extends RoleHandle,
> extends RoleActor<Step> {
  protected handle: Handle | undefined
  protected older: Handle | undefined

  /** The handle, attached if there is none; `undefined` if that failed, or has to wait. */
  abstract attached(): Promise<Handle | undefined>
  /** Attaches in a process although the role is taken. */
  protected abstract attachToo(process: SimProcess, device: BlockDevice): Promise<unknown>
  /** How attaching fails while the role is claimed. */
  protected abstract readonly refusals: readonly string[]
  /** Makes the call that ends an older handle. Returns whether it succeeded. */
  protected abstract takeOver(handle: Handle): Promise<boolean>
  /** Closes a handle. */
  protected abstract drop(handle: Handle | undefined): Promise<void>

  override died(): void {
    super.died()
    this.handle = undefined
    this.older = undefined
  }

  /** Closes the handle. */
  override async detach(): Promise<void> {
    await this.drop(this.handle)
    this.handle = undefined
  }

  protected override async dropOlder(): Promise<void> {
    await this.drop(this.older)
    this.older = undefined
  }

  /** Attaches a second handle, in a process of its own, and keeps the first; or checks that it is refused. */
  protected async second(handle: Handle): Promise<void> {
    if (this.older !== undefined) return
    await this.context.quiet(handle.process.clock)
    const process = this.context.start()
    const mount = await this.context.open(process)
    this.context.count('secondHandle')
    if (!mount.device.capabilities.claim) {
      this.older = handle
      this.handle = undefined
      this.process = process
      this.mount = mount
      if (!(await this.#takesOver())) {
        this.older = undefined
        await this.drop(handle)
      }
      return
    }
    const { role } = this.names
    try {
      await this.attachToo(process, mount.device)
      throw new Violation('claim', `a second ${role} was attached although the role is claimed`)
    } catch (error) {
      if (!isBlockError(error) || !this.refusals.includes(error.code)) throw error
    }
    this.context.exit(process)
  }

  /** Attaches, and makes the call that ends the older handle. Returns whether it succeeded. */
  async #takesOver(): Promise<boolean> {
    const handle = await this.attached()
    if (handle === undefined) return false
    if (this.context.guarantees.attachTakesOver) return true
    try {
      return await this.takeOver(handle)
    } catch (error) {
      if (this.context.judge(`a second ${this.names.role}`, error)) await this.detach()
      return false
    }
  }

  /** Uses the older handle: it has no effect, unless the newer handle has done nothing yet. */
  protected async useOlder(use: (older: Handle) => Promise<unknown>): Promise<void> {
    const { older } = this
    if (older === undefined) return
    await this.context.quiet(older.process.clock)
    try {
      await use(older)
    } catch (error) {
      if (!this.context.judge(`an older ${this.names.role}`, error)) return
      this.older = undefined
      await this.drop(older)
    }
    // The newer handle finds out when it refreshes.
    await this.context.quiet(older.process.clock)
  }
}
