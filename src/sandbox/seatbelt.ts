/** What a profile of macOS lets through. All paths absolute and without links. */
export interface SeatbeltPlan {
  readonly readable: readonly string[]
  readonly writable: readonly string[]
  /** Below what is readable or writable, and in no box. */
  readonly hidden: readonly string[]
  /** Below what is writable, and not to be written. */
  readonly fixed: readonly string[]
  /** Ports of 127.0.0.1 that may be reached; `all`: the machine's own network. */
  readonly ports: readonly number[] | 'all'
}

/** What every program of macOS needs to start at all. */
const systemFolders = [
  '/System',
  '/usr',
  '/bin',
  '/sbin',
  '/Library',
  '/opt/homebrew',
  '/private/var/db/timezone',
  '/private/var/db/dyld',
  '/private/etc',
]
const devices = ['/dev/null', '/dev/zero', '/dev/random', '/dev/urandom', '/dev/dtracehelper']
const services = [
  'com.apple.system.opendirectoryd.libinfo',
  'com.apple.system.logger',
  'com.apple.system.notification_center',
  'com.apple.trustd',
  'com.apple.trustd.agent',
  'com.apple.SecurityServer',
]

/**
 * A profile for `sandbox-exec`, in its Scheme dialect: everything is denied that is not named; of two rules for one path the
 * later one counts. Never tried on a Mac.
 */
export function seatbeltProfile({ readable, writable, hidden, fixed, ports }: SeatbeltPlan): string {
  const folders = (paths: readonly string[]): string => paths.map((path) => ` (subpath ${text(path)})`).join('')
  return [
    '(version 1)',
    '(deny default)',
    '(allow process-fork)',
    '(allow process-exec)',
    '(allow signal (target same-sandbox))',
    '(allow process-info* (target same-sandbox))',
    '(allow sysctl-read)',
    '(allow file-read-metadata)',
    `(allow mach-lookup${services.map((name) => ` (global-name ${text(name)})`).join('')})`,
    '(allow file-read* (literal "/"))',
    `(allow file-read*${folders([...systemFolders, ...readable, ...writable])})`,
    `(allow file-read* file-write*${devices.map((path) => ` (literal ${text(path)})`).join('')})`,
    ...(writable.length === 0 ? [] : [`(allow file-write*${folders(writable)})`]),
    ...(fixed.length === 0 ? [] : [`(deny file-write*${folders(fixed)})`]),
    ...(hidden.length === 0 ? [] : [`(deny file-read* file-write*${folders(hidden)})`]),
    // What is pinned or handed over stands within what is hidden.
    ...inner(readable, hidden).map((path) => `(allow file-read* (subpath ${text(path)}))`),
    ...inner(writable, hidden).map((path) => `(allow file-read* file-write* (subpath ${text(path)}))`),
    ...networkRules(ports),
    '',
  ].join('\n')
}

function networkRules(ports: SeatbeltPlan['ports']): string[] {
  if (ports === 'all')
    return [
      '(allow network*)',
      '(allow system-socket)',
      '(allow mach-lookup (global-name "com.apple.SystemConfiguration.configd") (global-name "com.apple.networkd"))',
    ]
  return ports.map((port) => `(allow network-outbound (remote ip ${text(`localhost:${port}`)}))`)
}

function inner(paths: readonly string[], folders: readonly string[]): string[] {
  return paths.filter((path) => folders.some((folder) => path.startsWith(`${folder}/`)))
}

/** A string of the profile's language. */
function text(value: string): string {
  return `"${value.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`
}
