import { describe, expect, test } from "vitest";
import type { Address, Conninfo } from "../../../src/conninfo/conninfo.ts";
import { formatAddress, hostsOf, isSocketHost, parseHosts } from "../../../src/conninfo/hosts.ts";

const at = (host: string, port: number, hostaddr: string | null = null): Address => ({
  host,
  hostaddr,
  port,
});

describe("the servers of a connection string", () => {
  test.each<[Conninfo, readonly Address[]]>([
    [{}, [at("", 5432)]],
    [{ host: "a" }, [at("a", 5432)]],
    [{ host: "a,b,c", port: "1" }, [at("a", 1), at("b", 1), at("c", 1)]],
    [{ host: "a,b", port: "1,2" }, [at("a", 1), at("b", 2)]],
    [{ host: "a,,c", port: "1,,3" }, [at("a", 1), at("", 5432), at("c", 3)]],
    [{ hostaddr: "10.0.0.1,10.0.0.2" }, [at("", 5432, "10.0.0.1"), at("", 5432, "10.0.0.2")]],
    [{ host: "a,b", hostaddr: ",10.0.0.2" }, [at("a", 5432), at("b", 5432, "10.0.0.2")]],
    [{ host: "a", hostaddr: "" }, [at("a", 5432)]],
    [{ port: " 7 " }, [at("", 7)]],
    [{ host: "@abstract,/run/a@b" }, [at("@abstract", 5432), at("/run/a@b", 5432)]],
  ])("%j", (conninfo, addresses) => {
    expect(parseHosts(conninfo)).toEqual({ ok: true, addresses });
    expect(hostsOf(conninfo)).toEqual(addresses);
  });

  test.each<[Conninfo, string]>([
    [
      { host: "a,b", hostaddr: "1.1.1.1" },
      "the number of host names (2) differs from that of hostaddr values (1)",
    ],
    [{ host: "a,b", port: "1,2,3" }, "the number of ports (3) differs from that of hosts (2)"],
    [{ port: "0" }, "a port is no number from 1 to 65535"],
    [{ port: "65536" }, "a port is no number from 1 to 65535"],
    [{ port: "secret" }, "a port is no number from 1 to 65535"],
    [
      { host: "cret@h" },
      "a host name holds an @ (in a URI, an @ of user or password is written %40)",
    ],
  ])("%j is refused", (conninfo, message) => {
    expect(parseHosts(conninfo)).toEqual({ ok: false, message });
    expect(hostsOf(conninfo)).toEqual([]);
  });
});

test("addresses as people write them", () => {
  expect(formatAddress(at("db1", 5432))).toBe("db1:5432");
  expect(formatAddress(at("::1", 5432))).toBe("[::1]:5432");
  expect(formatAddress(at("", 5432, "10.0.0.1"))).toBe("10.0.0.1:5432");
  expect(formatAddress(at("/tmp", 5432))).toBe("/tmp:5432");
  expect(isSocketHost("/tmp")).toBe(true);
  expect(isSocketHost("@abstract")).toBe(true);
  expect(isSocketHost("tmp")).toBe(false);
});
