// Runs a player to its end, or kills it when it has none.
import { spawn } from "node:child_process";

/**
 * @param {number} patience seconds; only a hang takes so long
 * @returns what it wrote, and `complaints`: that it is missing, failed or hung
 */
export function run(program, words, { patience, environment = {}, remedy }) {
  return new Promise((resolve) => {
    const child = spawn(program, words, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment },
    });
    const written = { stdout: "", stderr: "", complaints: [] };
    child.stdout?.setEncoding("utf8").on("data", (text) => (written.stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text) => (written.stderr += text));
    const hung = setTimeout(() => {
      written.complaints.push(`${program} had not ended after ${patience} s`);
      child.kill("SIGKILL");
    }, patience * 1000);
    child.on("error", (error) => {
      clearTimeout(hung);
      written.complaints.push(`cannot start ${program} (${error.code}): ${remedy}`);
      resolve(written);
    });
    child.on("close", (code, signal) => {
      clearTimeout(hung);
      if (code !== 0) written.complaints.push(`${program} ended with ${signal ?? code}`);
      resolve(written);
    });
  });
}
