// standby.signal put and taken away through the server itself, for a node whose machine only commands reach. COPY writes files
// with pg_write_server_files and runs programs with pg_execute_server_program, which a superuser has; a server works in
// its data directory, so a bare name is a file there. On a standby both work as well (13 to 18).

import { textOf } from "./observed-row.ts";
import type { Session } from "./session.ts";
import { quoteLiteral } from "./settings.ts";

export interface SignalFile {
  put(): Promise<void>;
  remove(): Promise<void>;
}

const nothing = "(SELECT ''::text WHERE false)";

export function signalThrough(session: Session): SignalFile {
  return {
    put: async () => {
      const [row = {}] = await session.query("SELECT current_setting('data_directory') AS path");
      const path = `${textOf(row, "path") ?? ""}/standby.signal`;
      await session.query(`COPY ${nothing} TO ${quoteLiteral(path)}`);
    },
    remove: async () => {
      await session.query(`COPY ${nothing} TO PROGRAM 'rm -f standby.signal'`);
    },
  };
}
