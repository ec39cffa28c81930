import { defineConfig } from 'vitest/config'
import { factor } from './test/support/cases.ts'

const setupFiles = ['test/support/properties.ts']
const patience = Math.max(1, factor)

/** Integration, conformance and e2e start real processes; on two cores they run one file at a time. */
const processes = { testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false }

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], setupFiles, testTimeout: 20_000 * patience } },
      { test: { name: 'arch', include: ['test/arch/**/*.test.ts'], testTimeout: 60_000 } },
      { test: { name: 'providers', include: ['providers/*/*.test.ts'], setupFiles, testTimeout: 30_000 * patience } },
      { test: { name: 'conformance', include: ['test/conformance/*.test.ts'], ...processes } },
      { test: { name: 'integration', include: ['test/integration/**/*.test.ts'], ...processes } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...processes } },
      // Needs what test/real/install.sh installs: `npm run test:real`.
      { test: { name: 'real', include: ['test/real/*.test.ts'], ...processes, testTimeout: 120_000, hookTimeout: 180_000 } },
    ],
  },
})
