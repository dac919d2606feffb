// The last line of every test run, for programs that read it: `tests: N passed, N failed, N skipped`.

import type { Reporter, TestModule } from "vitest/node";

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const states = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => test.result().state),
    );
    const count = (state: string): number => states.filter((each) => each === state).length;
    // A file that does not load has no tests, and is a failure all the same.
    const broken = modules.filter(
      (module) => module.state() === "failed" && module.children.size === 0,
    );
    const failed = count("failed") + broken.length;
    process.stdout.write(
      `tests: ${count("passed")} passed, ${failed} failed, ${count("skipped")} skipped\n`,
    );
  }
}
