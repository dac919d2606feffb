// What primary_conninfo becomes once a repoint has proven itself: the old parameters with the new upstream in place of
// host, hostaddr and port, and without those that chose between hosts. Says what else a new host touches.
// A kept target_session_attrs=read-write would refuse a standby as upstream ("session is read-only", 13 to 18).

import type { Address, Conninfo } from "./conninfo.ts";
import { formatConninfo } from "./format.ts";
import { formatAddress, parseHosts } from "./hosts.ts";
import { withoutMarks } from "./override.ts";
import { parseConninfo } from "./parse.ts";

export interface SettleNote {
  readonly kind:
    | "service"
    | "certificate-name"
    | "password-file"
    | "hosts-replaced"
    | "target-session-attrs"
    | "load-balance-hosts"
    | "uri";
  /** Lower case, no full stop, without secrets. */
  readonly message: string;
}

export type Settled =
  | { readonly ok: true; readonly value: string; readonly notes: readonly SettleNote[] }
  | { readonly ok: false; readonly message: string };

const replaced = new Set(["host", "hostaddr", "port"]);
const choosing = new Set(["target_session_attrs", "load_balance_hosts"]);

/** The final conninfo below `upstream`, as a keyword string; marks on the old value are taken off first. */
export function settleConninfo(value: string, upstream: Address): Settled {
  const base = withoutMarks(value);
  const parsed = parseConninfo(base);
  if (!parsed.ok) return { ok: false, message: `primary_conninfo: ${parsed.message}` };
  const old = parsed.conninfo;
  const kept = Object.entries(old).filter(([word]) => !replaced.has(word) && !choosing.has(word));
  const settled: Conninfo = {
    host: upstream.host,
    ...(upstream.hostaddr === null ? {} : { hostaddr: upstream.hostaddr }),
    port: String(upstream.port),
    ...Object.fromEntries(kept),
  };
  const text = formatConninfo(settled);
  if (/[\n\r]/.test(text)) {
    return {
      ok: false,
      message: "primary_conninfo holds a line break, which ALTER SYSTEM refuses",
    };
  }
  return { ok: true, value: text, notes: notesOn(old, upstream, base) };
}

function notesOn(old: Conninfo, upstream: Address, base: string): readonly SettleNote[] {
  const notes: SettleNote[] = [];
  const place = formatAddress(upstream);
  const given = (word: string): string => old[word] ?? "";
  const note = (kind: SettleNote["kind"], message: string): void => {
    notes.push({ kind, message });
  };
  if (/^postgres(?:ql)?:/.test(base)) note("uri", "the connection URI becomes a keyword string");
  if (given("service") !== "") {
    note(
      "service",
      `service ${given("service")} stays; host and port given here come before its own`,
    );
  }
  if (given("sslmode") === "verify-full") {
    note(
      "certificate-name",
      `sslmode=verify-full: the certificate of ${place} must name that host`,
    );
  }
  if (given("password") === "") {
    const file = given("passfile") === "" ? "the password file" : `passfile ${given("passfile")}`;
    note("password-file", `where a password is asked for, ${file} needs an entry for ${place}`);
  }
  const hosts = parseHosts(old);
  if (hosts.ok && hosts.addresses.length > 1) {
    note("hosts-replaced", `${place} takes the place of ${hosts.addresses.length} hosts`);
  }
  const attributes = given("target_session_attrs");
  if (attributes !== "" && attributes !== "any") {
    note("target-session-attrs", `target_session_attrs=${attributes} is dropped`);
  }
  if (given("load_balance_hosts") !== "" && given("load_balance_hosts") !== "disable") {
    note("load-balance-hosts", `load_balance_hosts=${given("load_balance_hosts")} is dropped`);
  }
  return notes;
}
