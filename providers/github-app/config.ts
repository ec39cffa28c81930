import { z } from 'zod'

/** What stands under `providers.<name>` for `kind: github-app`; the private key is in the sealed store. */
export const githubAppConfig = z.strictObject({
  appId: z.union([
    z.int().positive(),
    z.string().regex(/^(\d+|Iv[0-9A-Za-z.]+)$/, 'must be the number on the App’s page, or its client id, which starts with Iv'),
  ]),
  installation: z.union([
    z.int().positive(),
    z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,38}$/, 'the account’s login, or the installation’s number'),
  ]),
  apiUrl: z.url({ protocol: /^https?$/ }).default('https://api.github.com'),
})

export type GithubAppConfig = z.output<typeof githubAppConfig>

export const ownerPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,38}$/
export const repositoryPattern = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/

const fullName = z.string().refine((text) => {
  const [owner = '', name = '', ...more] = text.split('/')
  return more.length === 0 && ownerPattern.test(owner) && repositoryPattern.test(name)
}, 'a repository is owner/name')

/** What one operation may ask for. Nothing in it may mean "everything". */
export const githubScope = z.union([
  z.strictObject({
    repositories: z.array(fullName).min(1).max(500),
    permissions: z
      .record(z.string().regex(/^[a-z_]{3,60}$/), z.enum(['read', 'write', 'admin']))
      .refine((value) => Object.keys(value).length > 0, 'at least one permission'),
  }),
  z.strictObject({ public: z.literal(true) }),
])

export type GithubScope = z.output<typeof githubScope>
