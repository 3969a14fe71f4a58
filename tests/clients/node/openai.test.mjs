// The official SDK, from either provider, in peace and in trouble.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { MODEL, declared, startProviders, startProxy, story, tool, words } from "./rig.mjs";

const WEATHER = [{ role: "user", content: "What is the weather like in New York?" }];
const WEATHER_TOOL = tool("get_current_weather", "location");

let providers;
before(async () => void (providers = await startProviders()));
after(() => providers.stop());
beforeEach(() => providers.reset());

async function connect(test, settings = {}, options = {}) {
  const { url } = await startProxy(test, providers, settings);
  return new OpenAI({ baseURL: url, apiKey: "anything", maxRetries: 0, timeout: 30_000, ...options });
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

// As callers write it: this throws on a chunk that has only usage.
const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");

function onlyOurModel(chunks) {
  assert.deepEqual(new Set(chunks.map((chunk) => chunk.model)), new Set([MODEL]));
}

for (const provider of ["cerebras", "chutes"]) {
  describe(`answered by ${provider}`, () => {
    beforeEach(() => provider === "chutes" && providers.cerebras.fails("rate_limit_minute"));

    test("plain", async (t) => {
      const client = await connect(t);
      const { data, response, request_id } = await client.chat.completions
        .create({ model: MODEL, messages: story(25) })
        .withResponse();
      assert.equal(response.headers.get("x-proxy-provider"), provider);
      assert.match(request_id, /^req_/);
      assert.equal(data.model, MODEL);
      assert.equal(words(data.choices[0].message.content), 25);
      assert.ok(data.usage.total_tokens > 25);
    });

    test("streamed, without usage", async (t) => {
      const client = await connect(t);
      const chunks = await collect(
        await client.chat.completions.create({ model: MODEL, messages: story(25), stream: true }),
      );
      assert.equal(words(textOf(chunks)), 25);
      onlyOurModel(chunks);
      assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
    });

    test("streamed, with usage once, at the end", async (t) => {
      const client = await connect(t);
      const asked = { model: MODEL, messages: story(25), stream: true, stream_options: { include_usage: true } };
      const chunks = await collect(await client.chat.completions.create(asked));
      assert.deepEqual(chunks.map((chunk) => chunk.usage != null).indexOf(true), chunks.length - 1);
      assert.ok(chunks.at(-1).usage.total_tokens > 25);
      onlyOurModel(chunks);
    });

    test("a tool and its result", async (t) => {
      const client = await connect(t);
      const asked = { model: MODEL, tools: [WEATHER_TOOL] };
      const { choices } = await client.chat.completions.create({ ...asked, messages: WEATHER });
      assert.equal(choices[0].finish_reason, "tool_calls");
      const [call] = choices[0].message.tool_calls;
      assert.deepEqual(JSON.parse(call.function.arguments), { location: "New York" });
      const result = { role: "tool", tool_call_id: call.id, content: "21 degrees" };
      const next = await client.chat.completions.create({
        ...asked,
        messages: [...WEATHER, choices[0].message, result],
      });
      assert.equal(next.choices[0].finish_reason, "stop");
      assert.ok(next.choices[0].message.content);
    });

    test("streamed parallel tool calls", async (t) => {
      const client = await connect(t);
      const tools = [WEATHER_TOOL, tool("get_current_time", "city")];
      const stream = client.chat.completions.stream({
        model: MODEL,
        messages: WEATHER,
        tools,
        parallel_tool_calls: true,
      });
      const { choices, model } = await stream.finalChatCompletion();
      assert.equal(model, MODEL);
      const calls = choices[0].message.tool_calls.map((call) => [
        call.function.name,
        JSON.parse(call.function.arguments),
      ]);
      assert.deepEqual(calls, [
        ["get_current_weather", { location: "New York" }],
        ["get_current_time", { city: "New York" }],
      ]);
    });

    test("the SDK's own loop over tools", async (t) => {
      const client = await connect(t);
      let given;
      const runner = client.chat.completions.runTools({
        model: MODEL,
        messages: WEATHER,
        stream: true,
        tools: [
          {
            type: "function",
            function: {
              ...declared("get_current_weather", "location"),
              parse: JSON.parse,
              function: (args) => ((given = args), "21 degrees"),
            },
          },
        ],
      });
      assert.ok(await runner.finalContent());
      assert.deepEqual(given, { location: "New York" });
    });

    test("a legacy function and its result", async (t) => {
      const client = await connect(t);
      const asked = { model: MODEL, functions: [declared("get_current_weather", "location")] };
      const { choices } = await client.chat.completions.create({ ...asked, messages: WEATHER });
      assert.equal(choices[0].finish_reason, "function_call");
      assert.equal(choices[0].message.function_call.name, "get_current_weather");
      const result = { role: "function", name: "get_current_weather", content: "21 degrees" };
      const next = await client.chat.completions.create({
        ...asked,
        messages: [...WEATHER, choices[0].message, result],
      });
      assert.ok(next.choices[0].message.content);
    });

    test("parse", async (t) => {
      const client = await connect(t);
      const Weather = z.object({ location: z.string(), celsius: z.number() });
      // Scripts are for requests with tools; this one is there for that alone.
      await providers.say({ text: '{"location": "New York", "celsius": 21}' });
      const parsed = await client.chat.completions.parse({
        model: MODEL,
        messages: WEATHER,
        response_format: zodResponseFormat(Weather, "weather"),
        tools: [zodFunction({ name: "weather", parameters: Weather })],
      });
      assert.deepEqual(parsed.choices[0].message.parsed, { location: "New York", celsius: 21 });
    });
  });
}

test("models", async (t) => {
  const client = await connect(t);
  const models = await collect(await client.models.list());
  assert.deepEqual(
    models.map((model) => model.id),
    [MODEL],
  );
  assert.equal((await client.models.retrieve(MODEL)).owned_by, "qwen-3-coder-proxy");
});

test("twenty at once", async (t) => {
  const client = await connect(t);
  const counts = Array.from({ length: 20 }, (_, index) => index + 10);
  const answers = await Promise.all(
    counts.map(async (count) =>
      textOf(
        await collect(await client.chat.completions.create({ model: MODEL, messages: story(count), stream: true })),
      ),
    ),
  );
  assert.deepEqual(answers.map(words), counts);
});

describe("errors", () => {
  const ask = (client, more = {}) => client.chat.completions.create({ model: MODEL, messages: story(5), ...more });

  /** The error a request ends with; of that very class. */
  async function refused(request, expected) {
    const error = await request.then(() => assert.fail("it was answered"), (error) => error);
    assert.equal(error.constructor, expected, error.stack);
    assert.match(error.requestID, /^req_/);
    return error;
  }

  test("a context that is too long everywhere", async (t) => {
    const client = await connect(t);
    await providers.fail("context_too_long");
    const error = await refused(ask(client), OpenAI.BadRequestError);
    assert.equal(error.code, "context_length_exceeded");
    assert.match(error.message, /Please reduce the length of the messages or completion/);
  });

  test("a bad request keeps the provider's words", async (t) => {
    const client = await connect(t);
    await providers.cerebras.fails("bad_request");
    const error = await refused(ask(client), OpenAI.BadRequestError);
    assert.deepEqual([error.code, error.param], ["invalid_value", "temperature"]);
    assert.match(error.message, /The value of 'temperature' is not valid/);
  });

  test("what both reject keeps its status", async (t) => {
    const client = await connect(t);
    await providers.fail("mixed_strict");
    const error = await refused(ask(client), OpenAI.UnprocessableEntityError);
    assert.deepEqual([error.status, error.code], [422, "wrong_api_format"]);
  });

  test("an unknown model", async (t) => {
    const client = await connect(t);
    const error = await refused(ask(client, { model: "gpt-4o" }), OpenAI.NotFoundError);
    assert.deepEqual([error.code, error.param], ["model_not_found", "model"]);
  });

  test("a wrong client key", async (t) => {
    const client = await connect(t, { PROXY_API_KEYS: "right-key" });
    const error = await refused(ask(client), OpenAI.AuthenticationError);
    assert.equal(error.code, "invalid_api_key");
    assert.ok(await ask(client.withOptions({ apiKey: "right-key" })));
  });

  test("no quota anywhere", async (t) => {
    const client = await connect(t);
    await providers.cerebras.fails("rate_limit_minute");
    await providers.chutes.fails("payment_required");
    const error = await refused(ask(client), OpenAI.RateLimitError);
    assert.deepEqual([error.code, error.type], ["rate_limit_exceeded", "rate_limit_error"]);
    assert.match(error.message, /Cerebras.*Chutes/s);
    const wait = Number(error.headers.get("retry-after"));
    assert.ok(Number.isInteger(wait) && wait >= 1 && wait <= 59, `Retry-After: ${wait}`);
  });

  test("both providers down", async (t) => {
    const client = await connect(t);
    await providers.fail("server_error");
    const error = await refused(ask(client), OpenAI.InternalServerError);
    assert.deepEqual([error.status, error.code], [503, "providers_unavailable"]);
  });

  test("both provider keys refused is not the client's fault", async (t) => {
    const client = await connect(t);
    await providers.fail("unauthorized");
    const error = await refused(ask(client), OpenAI.InternalServerError);
    assert.equal(error.status, 502);
    assert.match(error.message, /CEREBRAS_API_KEY.*CHUTES_API_KEY/s);
  });

  for (const fault of ["cut_rst", "cut_fin", "cut_clean", "stall", "error_mid_stream"]) {
    for (const tools of [undefined, [WEATHER_TOOL]]) {
      test(`a stream with ${fault} never ends silently${tools ? ", with tools" : ""}`, async (t) => {
        const client = await connect(t, { STREAM_IDLE_TIMEOUT: "400" });
        await providers.cerebras.fails(fault);
        const stream = await ask(client, { messages: story(25), stream: true, tools });
        // The SDK leaves the transport's own error as it is: "terminated".
        await assert.rejects(collect(stream), (error) => {
          t.diagnostic(`${error.constructor.name}: ${error.message} (${error.cause?.code})`);
          return error instanceof OpenAI.APIError || (error instanceof TypeError && error.message === "terminated");
        });
      });
    }
  }
});
