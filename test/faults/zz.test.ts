import { test } from "vitest";
import { operatorOf } from "../support/cli.ts";
import { allSettings, slotsOf } from "../support/cluster-state.ts";
import { runStruck, type FaultKind } from "./strike.ts";
import { stories } from "./stories.ts";
const act = process.env["ACT"]!,
  kind = process.env["KIND"] as FaultKind,
  way = process.env["WAY"]!;
const n = Number(process.env["STORY"] ?? 0);
test("x", async () => {
  const story = stories[n]!;
  await using cluster = await story.start(Number(process.env["MAJOR"] ?? 18));
  const live = cluster.servers.map((s) => s.name).filter((s) => !story.lost.includes(s));
  const show = async (t: string) =>
    console.log(
      t,
      JSON.stringify(allSettings(cluster), null, 1).replaceAll(/passfile=\S*/g, ""),
      JSON.stringify(await slotsOf(cluster, live)),
    );
  await show("before");
  const r = await runStruck(cluster, { ...story, fault: { act, kind } });
  const j = r.status === null ? null : JSON.parse(r.stdout);
  console.log(
    r.status,
    j &&
      JSON.stringify(
        {
          findings: j.findings,
          steps: j.steps.map((s: any) => [s.commandLine, s.state, s.detail]),
          summary: j.summary,
        },
        null,
        1,
      ),
    r.stderr.slice(0, 3000),
    r.acts,
  );
  if (kind === "server-killed") await cluster.server(act.split(" ")[0]!).start();
  if (kind === "server-frozen") await cluster.server(act.split(" ")[0]!).thaw();
  await show("struck");
  const other = operatorOf(cluster, { desk: "other" });
  const lock = kind === "network-lost" ? ["--take-over"] : [];
  const brief = (u: any) =>
    console.log(
      u.status,
      JSON.stringify(
        {
          findings: u.report.findings,
          steps: u.report.steps?.map((s: any) => [s.commandLine, s.state, s.detail]),
          summary: u.report.summary,
          next: u.report.next,
        },
        null,
        1,
      ),
    );
  if (way === "undo") {
    brief(await other.change("undo", ...lock));
    await show("undone");
  }
  brief(await other.change(...story.words, ...lock));
  await show("again");
});
