// Wires the sandbox room to what the verbs `sandbox` and `rehearse` ask for.

import type { SandboxApi } from "../commands/sandbox-api.ts";
import { actOnNodes, downSandbox, sandboxStatus, upSandbox } from "../sandbox/sandbox.ts";
import { rehearse } from "../sandbox/scenario.ts";

export function createSandboxApi(): SandboxApi {
  return {
    up: ({ major, bindir, ...request }) =>
      upSandbox({ ...request, ...installationWish(major, bindir) }),
    status: ({ directory }) => sandboxStatus(directory),
    act: actOnNodes,
    down: ({ directory }) => downSandbox(directory),
    rehearse: ({ major, bindir, ...request }) =>
      rehearse({ ...request, ...installationWish(major, bindir) }),
  };
}

function installationWish(major: number | null, bindir: string | null) {
  return { ...(major === null ? {} : { major }), ...(bindir === null ? {} : { bindir }) };
}
