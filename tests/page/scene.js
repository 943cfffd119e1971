// A daemon, an emulator and a browser: all real, all ended with the test.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));
const binary = process.env.COMETAIL ?? join(root, "target/debug/cometail");
const DEADLINE = 30_000;

/** A port that nobody has. */
function free() {
  return new Promise((found) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });
}

/** Starts the binary; ready when `mark` is in its output. */
async function start(args, mark, environment = {}) {
  const child = spawn(binary, args, { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  await new Promise((ready, failed) => {
    const timer = setTimeout(() => failed(new Error(`not ready:\n${output}`)), DEADLINE);
    const hear = (piece) => {
      output = (output + piece).slice(-64_000);
      if (output.includes(mark)) {
        clearTimeout(timer);
        ready();
      }
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("exit", (code) => failed(new Error(`ended with ${code}:\n${output}`)));
  });
  const ended = new Promise((over) => child.on("exit", over));
  return {
    async end(signal = "SIGTERM") {
      child.kill(signal);
      await ended;
    },
  };
}

/** Asks until `wanted` holds. */
export async function until(what, wanted) {
  const end = Date.now() + DEADLINE;
  for (;;) {
    if (await wanted()) return;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((over) => setTimeout(over, 50));
  }
}

export class Scene {
  /** Starts everything; `more` is added to the configuration. */
  static async open({ token = "", more = "" } = {}) {
    const scene = new Scene();
    scene.dir = await mkdtemp(join(tmpdir(), "cometail-page-"));
    [scene.org, scene.port] = [await free(), await free()];
    scene.url = `http://127.0.0.1:${scene.port}/`;
    if (token) await writeFile(join(scene.dir, "token"), token, { mode: 0o600 });
    const admin = `[admin]\nlisten = "127.0.0.1:${scene.port}"\n${token ? `token_file = "${join(scene.dir, "token")}"\n` : ""}`;
    await writeFile(join(scene.dir, "cometail.toml"), `
[state]
dir = "${join(scene.dir, "state")}"
[connection.acme]
url = "http://127.0.0.1:${scene.org}/cometd/61.0"
channels = ["/topic/InvoiceStatementUpdates"]
replay = "new"
retry_initial = "100ms"
retry_max = "500ms"
login.token.env = "PAGE_TEST_TOKEN"
[sink.archive.file]
path = "${join(scene.dir, "out.jsonl")}"
${more}
${admin}`);
    await scene.startOrg();
    await scene.startDaemon();
    scene.browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
    return scene;
  }

  async startOrg() {
    this.emulator = await start(["emulator", "--quiet", "--listen", `127.0.0.1:${this.org}`], String(this.org));
  }

  async startDaemon() {
    this.daemon = await start(["run", "-c", join(this.dir, "cometail.toml")], "the admin server listens", { PAGE_TEST_TOKEN: "00Dpage!token" });
  }

  /** Has the org send one event. */
  async publish(channel, data) {
    const body = JSON.stringify({ channel, data });
    const response = await fetch(`http://127.0.0.1:${this.org}/_emulator/publish`, { method: "POST", body });
    if (!response.ok) throw new Error(`publish: ${response.status} ${await response.text()}`);
  }

  /** What the file sink has written. */
  file() {
    return readFile(join(this.dir, "out.jsonl"), "utf8").catch(() => "");
  }

  /** A tab on the page that fails the test with whatever its script or its console complains of. */
  async tab(options = {}) {
    const page = await this.browser.newPage({ viewport: { width: 1200, height: 900 }, ...options });
    page.complaints = [];
    page.setDefaultTimeout(DEADLINE);
    page.on("pageerror", (error) => page.complaints.push(error.message));
    page.on("console", (line) => line.type() === "error" && page.complaints.push(line.text()));
    await page.goto(this.url);
    return page;
  }

  async close() {
    await this.browser?.close();
    await this.daemon?.end("SIGKILL");
    await this.emulator?.end("SIGKILL");
    await rm(this.dir, { recursive: true, force: true });
  }
}
