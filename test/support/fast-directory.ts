// Where test clusters live: in memory where there is plenty, else where temporary files go. Making a cluster is making
// thousands of files, and a disk takes as long for that as everything else in a test together.

import { freemem, tmpdir } from "node:os";
import { readFileSync, statfsSync } from "node:fs";

const memory = "/dev/shm";
const plentyBytes = 6 * 1024 ** 3;

/** Server programs may have to be copied there and run. */
function isFit(): boolean {
  try {
    const mount = readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" "))
      .find((fields) => fields[1] === memory);
    if (mount?.[2] !== "tmpfs" || mount[3]?.split(",").includes("noexec") === true) return false;
    const { bavail, bsize } = statfsSync(memory);
    return Math.min(bavail * bsize, freemem()) > plentyBytes;
  } catch (error) {
    // No such file system here.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return false;
  }
}

export const fastDirectory = isFit() ? memory : tmpdir();
