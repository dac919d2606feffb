// Names in SQL text.

/** An SQL identifier as PostgreSQL reads it back, whatever the name holds. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
