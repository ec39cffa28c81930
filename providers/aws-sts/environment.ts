import { createHash } from 'node:crypto'

/** A file without content on this system. */
const nothing = process.platform === 'win32' ? 'NUL' : '/dev/null'

/** An access key id of the right shape that AWS never gave: its own are base 32, which has no 8. */
export function placeholderOf(random: string): string {
  return `ASIA${random.slice(0, 15).toUpperCase().padEnd(15, '0')}8`
}

/** A client signs with the placeholder, jit signs anew; nothing else that a client could find credentials in is left. */
export function environmentOf(placeholder: string | undefined, region: string): Readonly<Record<string, string>> {
  return {
    ...(placeholder === undefined ? {} : halvesOf(placeholder)),
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: nothing,
    AWS_SHARED_CREDENTIALS_FILE: nothing,
  }
}

function halvesOf(placeholder: string): Readonly<Record<string, string>> {
  const secret = createHash('sha256').update(`jit placeholder ${placeholder}`).digest('base64').slice(0, 40)
  return { AWS_ACCESS_KEY_ID: placeholder, AWS_SECRET_ACCESS_KEY: secret }
}
