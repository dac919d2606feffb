// Where a password comes from, and which kinds of authentication are good enough: password, passfile, require_auth,
// channel_binding. A password is looked for only when the server asks; nothing here ever shows one.

import type { Address } from "../conninfo/conninfo.ts";
import { ConfigError } from "../errors.ts";
import type { Attempt } from "./attempt.ts";
import { ConnectFailure } from "./connect-failure.ts";
import type { Request } from "./connect-request.ts";
import { readPassfile } from "./passfile.ts";

export interface PasswordSource {
  /** Throws ConnectFailure where there is none, or where the kind is not good enough. */
  readonly password: (authentication: string) => Promise<string>;
  readonly bindsChannel: boolean;
  /** Checks the kind of authentication that was really used: a server may ask for nothing. */
  readonly accept: (authentication: string, attempt: Attempt) => void;
}

export function passwordSource(options: {
  readonly request: Request;
  readonly address: Address;
  readonly encrypted: boolean;
}): PasswordSource {
  const { request, address, encrypted } = options;
  const binding = request.conninfo["channel_binding"] ?? "prefer";
  if (binding === "require" && !encrypted) {
    throw failed("channel_binding=require wants TLS, and this connection has none");
  }
  const check = (authentication: string): void => {
    if (binding === "require" && authentication !== "scram-sha-256-plus") {
      throw failed(
        `channel binding is required, and the server asked for ${authentication} authentication`,
      );
    }
    const kind = authentication === "scram-sha-256-plus" ? "scram-sha-256" : authentication;
    if (!allowedBy(request.conninfo["require_auth"] ?? "", kind)) {
      throw failed(
        `require_auth does not allow ${kind} authentication, which the server asked for`,
      );
    }
  };
  return {
    bindsChannel: encrypted && binding !== "disable",
    password: async (authentication) => {
      check(authentication);
      return await findPassword(request, address);
    },
    accept: check,
  };
}

function failed(reason: string, hint?: string): ConnectFailure {
  return new ConnectFailure({
    answer: "error",
    speaksPostgres: true,
    reason,
    ...(hint === undefined ? {} : { hint }),
  });
}

const kinds = ["password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none"];

/** require_auth (16+): a list of kinds that are allowed, or of kinds that are not, each with a `!`. */
function allowedBy(list: string, kind: string): boolean {
  if (list === "") return true;
  const words = list.split(",").map((word) => word.trim());
  const denied = words.filter((word) => word.startsWith("!")).map((word) => word.slice(1));
  if (denied.length > 0 && denied.length < words.length) {
    throw new ConfigError("require_auth mixes allowed and forbidden methods");
  }
  for (const word of denied.length > 0 ? denied : words) {
    if (!kinds.includes(word)) throw new ConfigError(`require_auth knows ${kinds.join(", ")} only`);
  }
  return denied.length > 0 ? !denied.includes(kind) : words.includes(kind);
}

async function findPassword(request: Request, address: Address): Promise<string> {
  const { conninfo, home, user, database, options } = request;
  const password = conninfo["password"] ?? "";
  if (password !== "") return password;
  const named = conninfo["passfile"] ?? "";
  const path = named === "" ? `${home}/.pgpass` : named;
  const answer = await readPassfile(path, {
    host: address.host === "" ? (address.hostaddr ?? "") : address.host,
    port: address.port,
    database: options.replication === "true" ? "replication" : database,
    user,
  });
  if (answer.password !== null) return answer.password;
  throw failed(
    `the server wants a password for user "${user}", and there is none`,
    answer.reason ?? "give it in PGPASSWORD, a password file (~/.pgpass, passfile) or a service",
  );
}
