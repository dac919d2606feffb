import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { createProgress } from "../../../src/ui/progress.ts";
import { plainLook } from "./lines.ts";

function collector() {
  const written: string[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      written.push(chunk.toString());
      done();
    },
  });
  return { stream, text: () => written.join("") };
}

test("without a terminal: lines, each once, and no word of mere waiting", () => {
  const { stream, text } = collector();
  const progress = createProgress({ stream, look: plainLook, isTTY: false });
  progress.waiting("looking");
  progress.doing("still every standby");
  progress.say("waiting for silence");
  progress.say("waiting for silence");
  progress.say("n2 says \u001b[31mred");
  progress.rest();
  expect(text()).toBe("still every standby\nwaiting for silence\nn2 says \\x1b[31mred\n");
});

test("on a terminal a run that is over soon shows no spinner", () => {
  const { stream, text } = collector();
  const progress = createProgress({ stream, look: plainLook, isTTY: true });
  progress.doing("still every standby");
  progress.say("n3 has more");
  progress.rest();
  expect(text()).toBe("n3 has more\n");
});
