// Addresses as text for people and as comparable values. A host name and its numeric address are not known to be the
// same here: nothing is looked up.

import type { Address } from "./conninfo.ts";

/** `host:port`, an IPv6 host in brackets, a socket directory as it stands. */
export function formatAddress(address: Address): string {
  const host = address.host === "" ? (address.hostaddr ?? "") : address.host;
  return host.includes(":") ? `[${host}]:${address.port}` : `${host}:${address.port}`;
}
