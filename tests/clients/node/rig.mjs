// Simulated providers and proxies under test, as child processes on loopback.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const MODEL = "qwen-3-coder";
const START_TIMEOUT = 20_000;
const UNLIMITED = { CEREBRAS_REQUESTS_PER_MINUTE: "100000", CEREBRAS_TOKENS_PER_MINUTE: "100000000" };

/** A child whose output is collected line by line. */
class Child {
  lines = [];
  #waiting = [];

  constructor(args, env, cwd) {
    // No setting of the machine's owner reaches what is under test.
    const clean = { PATH: process.env.PATH, HOME: cwd, ...env };
    this.process = spawn(process.env.PROXY_BINARY, args, { env: clean, cwd, stdio: ["ignore", "pipe", "pipe"] });
    this.gone = new Promise((resolve) => this.process.once("close", resolve));
    for (const output of [this.process.stdout, this.process.stderr]) {
      createInterface({ input: output }).on("line", (line) => {
        this.lines.push(line);
        this.#waiting = this.#waiting.filter((offer) => !offer(line));
      });
    }
  }

  /** The first truthy `find(line)` of any line, past or to come. */
  async waitFor(find) {
    for (const line of this.lines) {
      const found = find(line);
      if (found) return found;
    }
    let timer;
    const seen = new Promise((resolve) => {
      this.#waiting.push((line) => {
        const found = find(line);
        if (found) resolve(found);
        return found;
      });
    });
    const late = new Promise((_, reject) => {
      const fail = () => reject(new Error(`it never said so:\n${this.lines.join("\n")}`));
      timer = setTimeout(fail, START_TIMEOUT);
      this.gone.then(fail);
    });
    return Promise.race([seen, late]).finally(() => clearTimeout(timer));
  }

  async stop() {
    this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), 5000);
    await this.gone;
    clearTimeout(timer);
  }
}

/** The control plane of one simulated provider. */
class Provider {
  constructor(baseUrl) {
    this.baseUrl = baseUrl;
    this.control = baseUrl.replace(/\/v1$/, "/_sim/");
  }

  async #call(action, body) {
    const answer = await fetch(this.control + action, body && { method: "POST", body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }

  fails = (fault, times = "always") => this.#call("fault", { fault, times });
  says = (...replies) => this.#call("script", { replies });
  reset = () => this.#call("reset", {});
  stats = () => this.#call("stats");
}

/** Both simulated providers, in one child. */
export async function startProviders() {
  const cwd = await mkdtemp(join(tmpdir(), "providers-"));
  const limits = ["--requests-per-minute", "100000", "--tokens-per-minute", "100000000"];
  const child = new Child(["simulate", "--port", "0", "--chutes-port", "0", ...limits], {}, cwd);
  const provider = async (name) =>
    new Provider((await child.waitFor((line) => line.match(`\\b${name}_BASE_URL=(\\S+)`)))[1]);
  const [cerebras, chutes] = await Promise.all([provider("CEREBRAS"), provider("CHUTES")]);
  const both = [cerebras, chutes];
  return {
    cerebras,
    chutes,
    fail: (fault) => Promise.all(both.map((provider) => provider.fails(fault))),
    say: (...replies) => Promise.all(both.map((provider) => provider.says(...replies))),
    reset: () => Promise.all(both.map((provider) => provider.reset())),
    async stop() {
      await child.stop();
      await rm(cwd, { recursive: true });
    },
  };
}

/** A new proxy before those providers; it is stopped when the test is over. */
export async function startProxy(test, providers, settings = {}) {
  const cwd = await mkdtemp(join(tmpdir(), "proxy-"));
  const environment = {
    STATE_DIR: cwd,
    CEREBRAS_API_KEY: "csk-test-0123456789",
    CHUTES_API_KEY: "cpk_test-0123456789",
    CEREBRAS_BASE_URL: providers.cerebras.baseUrl,
    CHUTES_BASE_URL: providers.chutes.baseUrl,
    PORT: "0",
    ...UNLIMITED,
    ...settings,
  };
  const child = new Child(["serve"], environment, cwd);
  test.after(async () => {
    await child.stop();
    await rm(cwd, { recursive: true });
  });
  const listening = (line) => line.includes('"listening"') && JSON.parse(line).address;
  return { url: `http://${await child.waitFor(listening)}/v1` };
}

export const words = (text) => text.split(/\s+/).filter(Boolean).length;

/** A prompt, which the simulated providers answer with exactly so many words. */
export const story = (count) => [{ role: "user", content: `Tell me a ${count} word story.` }];

/** A function as it is declared to a model. */
export function declared(name, ...required) {
  const properties = Object.fromEntries(required.map((argument) => [argument, { type: "string" }]));
  return { name, description: `Does ${name}.`, parameters: { type: "object", properties, required } };
}

export const tool = (name, ...required) => ({ type: "function", function: declared(name, ...required) });
