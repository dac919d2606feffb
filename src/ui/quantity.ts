// Amounts as people read them: bytes and durations with their unit, always.

const byteUnits = ["B", "kB", "MB", "GB", "TB", "PB", "EB"] as const;

/** `0 B`, `512 B`, `1.2 MB`: powers of 1024, as PostgreSQL's pg_size_pretty means them. */
export function formatBytes(bytes: bigint): string {
  let unit = 0;
  let scale = 1n;
  while (unit < byteUnits.length - 1 && bytes >= scale * 1024n) {
    scale *= 1024n;
    unit += 1;
  }
  if (unit === 0) return `${bytes.toString()} B`;
  const tenths = (bytes * 10n) / scale;
  const text = tenths >= 100n ? (tenths / 10n).toString() : `${tenths / 10n}.${tenths % 10n}`;
  return `${text} ${byteUnits[unit] ?? ""}`;
}

/** `41 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatMs(ms: number): string {
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  const tenths = Math.round(ms / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
