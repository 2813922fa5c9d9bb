import { expect } from 'vitest'
import type { Report } from './run.ts'

/** Nothing failed, and images met everything that they are made to meet. */
export function expectSound(report: Report, wanted: number): void {
  const { failures, images, delivered, steps } = report
  expect(failures).toEqual([])
  expect(images).toBe(wanted)
  // Damage is met, and does not keep everything else from being delivered.
  expect(delivered).toBeGreaterThan(images)
  for (const step of ['inspect', 'consume', 'produce']) {
    expect(steps[`format 2: ${step} ok`]).toBeGreaterThan(images / 10)
    expect(steps[`format 1: ${step} RING_CORRUPT`]).toBeGreaterThan(images / 100)
  }
  expect(steps['format 2: consume RING_DAMAGED']).toBeGreaterThan(images / 100)
}

/** The same of hostile images: each call was made on many, and came to something on some. */
export function expectHarmless({ failures, images, steps }: Report, wanted: number): void {
  expect(failures).toEqual([])
  expect(images).toBe(wanted)
  for (const step of ['inspectRing', 'verifyRing', 'Consumer.attach', 'repairRing']) {
    expect(steps[`format 2: ${step} ok`]).toBeGreaterThan(images / 10)
    expect(steps[`format 1: ${step} ok`]).toBeGreaterThan(0)
  }
  expect(steps['format 2: Consumer.attach RING_CORRUPT']).toBeGreaterThan(images / 100)
}
