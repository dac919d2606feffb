// Preloaded into an operator's process: watches what it sends to the servers, and which commands it runs for them, and
// strikes at one act, a statement or a command that changes a server. An act is named by node, kind and how many of that kind
// the node had before: `n2 alter 1`. With FAULT_ACT empty it only writes down the acts, one per line of FAULT_LOG.

import childProcess, { execFileSync } from "node:child_process";
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { Socket } from "node:net";

const { FAULT_ACT: wanted = "", FAULT_KIND: kind = "", FAULT_LOG: log = "" } = process.env;
/** @type {Record<string, { node: string, dataDir: string }>} */
const servers = JSON.parse(process.env["FAULT_SERVERS"] ?? "{}");

/** Kinds of acts by what their statements hold; the first that fits. */
const kinds = [
  ["promote", /pg_promote\(false\)/],
  ["alter", /ALTER SYSTEM (SET|RESET)/],
  ["slot", /pg_create_(physical|logical)_replication_slot/],
  ["drop", /pg_drop_replication_slot/],
  ["reload", /pg_reload_conf\(/],
];

const { kill } = process;

/** @type {Map<string, number>} */
const counts = new Map();
/** Nodes whose settings were written and not yet loaded: a reload there is an act, any other only hurries something. */
const unloaded = new Set();
/** Sockets that swallow whatever is sent on them. */
const stalled = new WeakSet();
/** Sockets whose next answer is the last thing that the operator sees. */
const doomed = new WeakSet();

/** Kinds of commands by their words. */
const commands = [
  ["stop", /^(stop|kill)$/],
  ["start", /^start$/],
  ["signal", /standby\.signal$/],
];

function nameAct(node, what) {
  const key = `${node} ${what}`;
  counts.set(key, (counts.get(key) ?? 0) + 1);
  return `${key} ${counts.get(key)}`;
}

/** The act that these bytes are, or null. */
function actOf(node, bytes) {
  // Simple queries and parsed statements; everything else only refers to them.
  if (bytes[0] !== 0x51 && bytes[0] !== 0x50) return null;
  const text = bytes.toString("latin1");
  const found = kinds.find(([, pattern]) => pattern.test(text))?.[0];
  if (found === undefined) return null;
  if (found === "alter") unloaded.add(node);
  if (found === "reload" && !unloaded.delete(node)) return null;
  return nameAct(node, found);
}

/** The act that this command is, or null: it names the node or its data directory. */
function actOfCommand(words) {
  const found = commands.find(([, pattern]) => words.some((word) => pattern.test(word)))?.[0];
  const server = Object.values(servers).find(({ node, dataDir }) =>
    words.some((word) => word === node || word.startsWith(dataDir)),
  );
  return found === undefined || server === undefined ? null : nameAct(server.node, found);
}

/** The postmaster and its children. */
function processesOf(dataDir) {
  const postmaster = readFileSync(`${dataDir}/postmaster.pid`, "utf8").split("\n")[0] ?? "";
  const children = readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === postmaster;
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
  return [postmaster, ...children].map(Number);
}

function signalServer(port, signal) {
  for (const pid of processesOf(servers[port].dataDir)) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  }
}

/** A file cuts the proxies on the way; else it is the name of a link. */
function cutNetwork(link) {
  if (link.startsWith("/")) writeFileSync(link, "");
  else execFileSync("ip", ["addr", "flush", "dev", link]);
}

const write = Socket.prototype.write;
const push = Socket.prototype.push;

/** Strikes around the sending of the act. */
function strike(socket, send) {
  const port = socket.remotePort;
  switch (kind) {
    case "kill-before":
      kill.call(process, process.pid, "SIGKILL");
      break;
    case "kill-during":
      send();
      kill.call(process, process.pid, "SIGKILL");
      break;
    case "kill-after":
      doomed.add(socket);
      break;
    case "cut":
      send();
      socket.destroy();
      return true;
    case "network-lost":
      send();
      cutNetwork(process.env["FAULT_LINK"] ?? "");
      return true;
    case "stall":
      stalled.add(socket);
      return true;
    case "server-killed":
      send();
      signalServer(port, "SIGKILL");
      return true;
    case "server-frozen":
      signalServer(port, "SIGSTOP");
      break;
    default:
      throw new Error(`no such fault: ${kind}`);
  }
  return send();
}

function isStruck(act) {
  if (act === null) return false;
  appendFileSync(log, `${act}\n`);
  if (act !== wanted) return false;
  appendFileSync(log, "struck\n");
  return true;
}

Socket.prototype.write = function (data, ...rest) {
  if (stalled.has(this)) return true;
  const send = () => write.call(this, data, ...rest);
  const server = servers[this.remotePort];
  const act = server !== undefined && Buffer.isBuffer(data) ? actOf(server.node, data) : null;
  return isStruck(act) ? strike(this, send) : send();
};

Socket.prototype.push = function (chunk, ...rest) {
  if (chunk !== null && doomed.has(this)) kill.call(process, process.pid, "SIGKILL");
  return push.call(this, chunk, ...rest);
};

const { spawn } = childProcess;

/** Strikes around the running of a command. */
function strikeCommand(run) {
  switch (kind) {
    case "kill-before":
      kill.call(process, process.pid, "SIGKILL");
      return run();
    case "kill-during":
      run();
      kill.call(process, process.pid, "SIGKILL");
      break;
    case "kill-after":
      return run().once("exit", () => kill.call(process, process.pid, "SIGKILL"));
    case "stall":
      return spawn("sleep", ["1000"], { detached: true });
  }
  throw new Error(`no such fault of a command: ${kind}`);
}

/** A clean stop is asked for by a signal to the postmaster, and not by a program. */
process.kill = function (pid, signal) {
  const run = () => kill.call(process, pid, signal);
  if (signal !== "SIGINT") return run();
  const stopped = Object.values(servers).find(({ dataDir }) => isPostmaster(pid, dataDir));
  if (stopped === undefined) return run();
  return isStruck(nameAct(stopped.node, "stop")) ? strikeSignal(run) : run();
};

function isPostmaster(pid, dataDir) {
  try {
    return Number(readFileSync(`${dataDir}/postmaster.pid`, "utf8").split("\n")[0]) === pid;
  } catch {
    // It is down.
    return false;
  }
}

function strikeSignal(run) {
  const end = () => kill.call(process, process.pid, "SIGKILL");
  switch (kind) {
    case "kill-before":
      return end();
    case "kill-during":
      run();
      return end();
    case "kill-after":
      setTimeout(end, 20);
      return run();
    case "stall":
      return true;
  }
  throw new Error(`no such fault of a signal: ${kind}`);
}

childProcess.spawn = function (file, args, ...rest) {
  const run = () => spawn.call(this, file, args, ...rest);
  const words = Array.isArray(args) ? args.flatMap((word) => word.split(" ")) : [];
  return isStruck(actOfCommand(words)) ? strikeCommand(run) : run();
};
syncBuiltinESMExports();
