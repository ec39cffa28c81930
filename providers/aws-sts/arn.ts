export interface Arn {
  readonly partition: string
  readonly service: string
  readonly region: string
  readonly account: string
  /** All that follows the fifth colon. */
  readonly resource: string
}

const arnPattern = /^arn:(aws[a-z-]*):([a-z0-9-]+):([a-z0-9-]*):(\d{12}|aws)?:(.+)$/u
const bucketPattern = /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
/** Never in an ARN of ours: controls, invisible characters, policy variables, wildcards, quotes. One `*` at the end is looked at apart. */
const neverPlain = /[\p{C}\p{Zl}\p{Zp}*?${}"\\]/u

export function parseArn(text: string): Arn | undefined {
  const [, partition = '', service = '', region = '', account = '', resource] = arnPattern.exec(text) ?? []
  return resource === undefined ? undefined : { partition, service, region, account, resource }
}

/** Why this is no ARN that a session policy of ours may name; undefined when it may. */
export function refuseArn(text: string): string | undefined {
  const arn = parseArn(text)
  if (arn === undefined) return 'is no ARN with named partition, service and account (a wildcard may stand only at the end)'
  const open = arn.resource.endsWith('*')
  const plain = open ? arn.resource.slice(0, -1) : arn.resource
  if (neverPlain.test(plain)) return 'holds a wildcard, a policy variable or a character that no name has'
  if (arn.resource.includes('arn:')) return 'holds another ARN'
  if (arn.resource.split(/[/:]/).some((part) => part === '..' || part === '.')) return 'holds "." or ".." as a part'
  if (arn.service === 's3' && arn.region === '' && arn.account === '') return refuseBucket(plain, open)
  return open && !/^[^/:]+[/:].*[^/:]/u.test(plain) ? 'names a kind of resource, and none of them: write more before the "*"' : undefined
}

function refuseBucket(plain: string, open: boolean): string | undefined {
  const slash = plain.indexOf('/')
  if (open && slash < 0) return 'would open other buckets: write the bucket’s whole name and "/" before the "*"'
  const bucket = slash < 0 ? plain : plain.slice(0, slash)
  if (!bucketPattern.test(bucket)) return 'does not begin with a bucket name as S3 allows it'
  return !open && slash === plain.length - 1 ? 'names no object' : undefined
}

/** Why a value from a call may not stand in a resource: a whole ARN, or a part of one. */
export function refuseValue(value: string): string | undefined {
  if (neverPlain.test(value)) return 'holds a wildcard, a policy variable or a character that no name has'
  if (value.startsWith('arn:')) {
    const why = refuseArn(value)
    return why === undefined ? undefined : `it ${why}`
  }
  // A colon would begin another field of the ARN.
  if (value.includes(':')) return 'a part of an ARN holds no colon'
  if (value.split('/').some((part) => part === '' || part === '.' || part === '..')) return 'it has a part that is empty, "." or ".."'
  return value.length > 1024 ? 'it is longer than any name in AWS' : undefined
}

/** Whether the resource is of the kind that a template such as `arn:${Partition}:s3:::${BucketName}/${ObjectName}` describes. */
export function isOfKind(resource: string, template: string): boolean {
  return pattern(template).test(resource)
}

const patterns = new Map<string, RegExp>()

function pattern(template: string): RegExp {
  let made = patterns.get(template)
  if (made === undefined) {
    const text = template
      .split(/(\$\{\w+\}|\*)/)
      .map((part) => (part === '*' ? '.*' : part.startsWith('${') ? placeOf(part) : part.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')))
      .join('')
    made = new RegExp(`^${text}$`, 'su')
    patterns.set(template, made)
  }
  return made
}

function placeOf(name: string): string {
  if (name === '${Region}' || name === '${Account}') return '[^:]*'
  return name === '${Partition}' || name === '${BucketName}' ? '[^:/]+' : '.+'
}
