/** What programs of the machine need of it, where it is there; read-only. */
export const systemPaths = [
  ...'/usr /bin /sbin /lib /lib32 /lib64 /libx32 /nix/store /gnu/store /run/current-system/sw'.split(' '),
  ...'alternatives fonts ld.so.cache ld.so.conf ld.so.conf.d localtime mime.types os-release protocols services'
    .split(' ')
    .map((name) => `/etc/${name}`),
]

/** Java keeps what it cannot start without below /etc, with a version in the name. */
export const versionedFolders = /^(java|jvm)/

/** Settings of TLS that hold no key. */
export const tlsPaths = ['/etc/ssl/openssl.cnf', '/etc/pki/tls/openssl.cnf', '/etc/crypto-policies']

/** Of the machine's own network: where names and authorities are looked up. */
export const networkPaths = [
  '/etc/hosts',
  '/etc/resolv.conf',
  '/etc/nsswitch.conf',
  '/etc/ssl/certs',
  '/etc/ssl/cert.pem',
  '/etc/ca-certificates',
  '/etc/pki/tls/certs',
  '/etc/pki/ca-trust/extracted',
  '/etc/pki/java',
]

/** Files in which programs look for the authorities that they trust. */
export const authorityFiles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/ssl/cert.pem',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
]

export const devices = ['null', 'zero', 'full', 'random', 'urandom']

/** What programs expect in /dev beside devices. */
export const deviceLinks = { fd: '/proc/self/fd', stdin: '/proc/self/fd/0', stdout: '/proc/self/fd/1', stderr: '/proc/self/fd/2' }
