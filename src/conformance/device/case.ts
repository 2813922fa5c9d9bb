import type { BlockCapabilities, BlockDevice, BlockInfo } from '../../block/device.ts'
import type { Gate } from './gated.ts'
import type { GatedContext } from './recorder.ts'

/** The source of the suite's devices. The suite disconnects every device that it gets. */
export interface DeviceSource {
  /**
   * A fresh, writable device of at least 64 sectors, with any content; some cases test more when it has
   * 2048 or more.
   */
  open(): Promise<BlockDevice>
  /** Opens the storage of `device` again, which is disconnected by now: tests what outlives a handle. */
  reopen?(device: BlockDevice): Promise<BlockDevice>
  /** A second handle to the storage of `device`, which stays connected: tests what handles see of each other. */
  openSecond?(device: BlockDevice): Promise<BlockDevice>
  /** A read-only device of at least 64 sectors. */
  openReadOnly?(): Promise<BlockDevice>
  /**
   * A fresh, writable device of at least 64 sectors that passes everything that it sends through the gate: tests that
   * durable writes and flushes reach the storage, and that no forbidden request is sent. A wrapper is opened over
   * `gatedDevice(gate)`; a back-end makes its system calls, or its server, wait for the gate.
   */
  openGated?(gate: Gate): Promise<BlockDevice>
}

/** The devices that a case uses. */
export interface CaseContext {
  readonly device: BlockDevice
  readonly info: BlockInfo
  /** Opens the storage of `device` again, once that is disconnected. */
  reopen(): Promise<BlockDevice>
  /** A second handle to the storage of `device`. */
  openSecond(): Promise<BlockDevice>
  /** A fresh device, and a record of its requests. */
  openGated(): Promise<GatedContext>
}

/** Capabilities that are whole operations. */
export type OptionalCapability = Exclude<keyof BlockCapabilities, 'singleSectorBuffers'>

/** One rule of {@link BlockDevice}, and how it is checked. */
export interface DeviceCase {
  readonly name: string
  /** A requirement of the source; without it the case is skipped. */
  readonly needs?: 'reopen' | 'openSecond' | 'openReadOnly' | 'openGated'
  /** A required capability of the device; without it the case is skipped. */
  readonly capability?: OptionalCapability
  run(context: CaseContext): Promise<void>
}
