import type { BlockCapabilities, BlockDevice, BlockInfo } from '../../block/device.ts'

/** Where the suite gets its devices. It disconnects every device that it was given. */
export interface DeviceSource {
  /**
   * A fresh, writable device of at least 64 sectors, with any content; some cases test more when it has
   * 2048 or more.
   */
  open(): Promise<BlockDevice>
  /** The device that `device` was, which is disconnected by now: tests what outlives a handle. */
  reopen?(device: BlockDevice): Promise<BlockDevice>
  /** A second handle to what `device` is, which stays connected: tests what handles see of each other. */
  openSecond?(device: BlockDevice): Promise<BlockDevice>
  /** A read-only device of at least 64 sectors. */
  openReadOnly?(): Promise<BlockDevice>
}

/** What a case runs on. */
export interface CaseContext {
  readonly device: BlockDevice
  readonly info: BlockInfo
  /** The device that `device` was, once that is disconnected. */
  reopen(): Promise<BlockDevice>
  /** A second handle to what `device` is. */
  openSecond(): Promise<BlockDevice>
}

/** Capabilities that are whole operations. */
export type OptionalCapability = Exclude<keyof BlockCapabilities, 'singleSectorBuffers'>

/** One rule of {@link BlockDevice}, and how it is checked. */
export interface DeviceCase {
  readonly name: string
  /** What the source has to offer; the case is left out otherwise. */
  readonly needs?: 'reopen' | 'openSecond' | 'openReadOnly'
  /** What the device has to be capable of; the case passes without it. */
  readonly capability?: OptionalCapability
  run(context: CaseContext): Promise<void>
}
