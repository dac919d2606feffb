// libpq's connection parameters as a value.

/** Keyword to value, as libpq understands the string: duplicates resolved (the last one wins), no empty keys. */
export type Conninfo = Readonly<Record<string, string>>;

/** Where one server listens: a host name, address or socket directory, and a port. */
export interface Address {
  readonly host: string;
  /** Numeric address to connect to instead of looking `host` up; null when not given. */
  readonly hostaddr: string | null;
  readonly port: number;
}
