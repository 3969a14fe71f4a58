// Vercel's AI SDK with its provider for OpenAI-compatible addresses.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { MODEL, startProviders, startProxy, words } from "./rig.mjs";

let providers;
before(async () => void (providers = await startProviders()));
after(() => providers.stop());
beforeEach(() => providers.reset());

async function connect(test, options = {}) {
  const { url } = await startProxy(test, providers);
  const connected = createOpenAICompatible({ name: "proxy", baseURL: url, apiKey: "anything", ...options });
  return connected(MODEL);
}

/** All text and errors of a stream. */
async function read(result) {
  const [text, errors] = [[], []];
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") text.push(part.text);
    if (part.type === "error") errors.push(part.error);
  }
  return { text: text.join(""), errors };
}

const quiet = { maxRetries: 0, onError: () => {} };

for (const provider of ["cerebras", "chutes"]) {
  describe(`answered by ${provider}`, () => {
    beforeEach(() => provider === "chutes" && providers.cerebras.fails("rate_limit_minute"));

    test("streamed text", async (t) => {
      const result = streamText({ ...quiet, model: await connect(t), prompt: "Tell me a 25 word story." });
      const { text, errors } = await read(result);
      assert.deepEqual(errors, []);
      assert.equal(words(text), 25);
      assert.equal(await result.finishReason, "stop");
      const response = await result.response;
      assert.equal(response.headers["x-proxy-provider"], provider);
      assert.equal(response.modelId, MODEL);
    });

    test("streamed text with usage", async (t) => {
      const model = await connect(t, { includeUsage: true });
      const result = streamText({ ...quiet, model, prompt: "Tell me a 25 word story." });
      assert.equal(words((await read(result)).text), 25);
      assert.ok((await result.usage).outputTokens > 25);
    });

    test("a tool in a loop", async (t) => {
      const given = [];
      const weather = tool({
        description: "Get the current weather in a given location",
        inputSchema: z.object({ location: z.string() }),
        execute: async (input) => (given.push(input), { celsius: 21 }),
      });
      await providers.say(
        { calls: [{ name: "weather", arguments: { location: "New York" } }] },
        { text: "It is 21 degrees." },
      );
      const result = streamText({
        ...quiet,
        model: await connect(t),
        prompt: "What is the weather like in New York?",
        tools: { weather },
        stopWhen: stepCountIs(3),
      });
      const { text, errors } = await read(result);
      assert.deepEqual(errors, []);
      assert.deepEqual(given, [{ location: "New York" }]);
      assert.equal(text, "It is 21 degrees.");
      assert.equal((await result.steps).length, 2);
    });
  });
}

test("no quota anywhere", async (t) => {
  await providers.cerebras.fails("rate_limit_minute");
  await providers.chutes.fails("payment_required");
  const model = await connect(t);
  await assert.rejects(generateText({ model, prompt: "Hello", maxRetries: 0 }), (error) => {
    assert.ok(APICallError.isInstance(error), error);
    assert.equal(error.statusCode, 429);
    assert.equal(error.isRetryable, true);
    assert.match(error.message, /Cerebras.*Chutes/s);
    return true;
  });
});

test("a context that is too long everywhere", async (t) => {
  await providers.fail("context_too_long");
  const model = await connect(t);
  await assert.rejects(generateText({ model, prompt: "Hello", maxRetries: 0 }), (error) => {
    assert.deepEqual([error.statusCode, error.isRetryable], [400, false]);
    assert.match(error.message, /Please reduce the length/);
    return true;
  });
});

test("a broken stream never ends silently", async (t) => {
  await providers.cerebras.fails("cut_rst");
  const result = streamText({ ...quiet, model: await connect(t), prompt: "Tell me a 25 word story." });
  // An error part, or the stream itself rejects: by where it breaks.
  const { errors } = await read(result).catch((error) => ({ errors: [error] }));
  assert.equal(errors.length, 1);
});
