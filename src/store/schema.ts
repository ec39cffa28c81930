/** Marks the file as ours ("jit0"), so that another program's database is refused. */
export const applicationId = 0x6a697430

/** Version n is reached by running migrations[n - 1]. Rows of older versions are kept; a newer version is refused. */
export const migrations: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE secrets (name TEXT PRIMARY KEY, sealed TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE leases (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    provider TEXT NOT NULL,
    server TEXT NOT NULL,
    tool TEXT NOT NULL,
    session TEXT NOT NULL,
    call TEXT NOT NULL,
    scope TEXT NOT NULL,
    sealed TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    upstreamHash TEXT NOT NULL,
    startedAt REAL NOT NULL,
    mintedAt REAL NOT NULL,
    expiresAt REAL NOT NULL,
    validUntil REAL NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT NOT NULL
  ) STRICT;
  CREATE INDEX leasesByState ON leases (state);
  CREATE INDEX leasesByFingerprint ON leases (fingerprint);
  CREATE INDEX leasesByUpstreamHash ON leases (upstreamHash);
  CREATE TABLE children (
    pid INTEGER PRIMARY KEY,
    startTime INTEGER NOT NULL,
    processGroup INTEGER NOT NULL,
    server TEXT NOT NULL,
    lane TEXT NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE tokens (
    name TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    servers TEXT NOT NULL,
    addedAt REAL NOT NULL,
    expiresAt REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
]
