import type { BlockCapabilities, BlockDevice, BlockInfo } from '../../block/device.ts'
import type { Gate } from './gated.ts'
import type { GatedContext } from './recorder.ts'

/** Where the suite gets its devices. It disconnects every device that it was given. */
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
   * A fresh, writable device of at least 64 sectors that passes everything that it sends through the gate: tests that durable
   * writes and flushes reach the storage, and that no forbidden request is sent. A wrapper is opened over
   * `gatedDevice(gate)`; a back-end makes its system calls, or its server, wait for the gate.
   */
  openGated?(gate: Gate): Promise<BlockDevice>
}

/** What a case runs on. */
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
  /** What the source has to offer; the case is skipped otherwise. */
  readonly needs?: 'reopen' | 'openSecond' | 'openReadOnly' | 'openGated'
  /** What the device has to be capable of; the case is skipped otherwise. */
  readonly capability?: OptionalCapability
  run(context: CaseContext): Promise<void>
}
