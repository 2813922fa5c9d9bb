// Vitest runs this file before each test file, and what it imports once in a process.
import './helpers/equal-bytes.ts'
