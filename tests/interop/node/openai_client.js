// The official openai client against the gateway's HTTP. Argument: a JSON file { "url", "key", "previews": whether the default model has them }.
// Writes one line of JSON for each scenario.
'use strict';
const fs = require('fs');
const assert = require('assert');
const crypto = require('crypto');
const OpenAI = require('openai');

const { url, key, previews } = JSON.parse(fs.readFileSync(process.argv[2]));
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 120000 });
const sha256 = text => crypto.createHash('sha256').update(Buffer.from(text, 'base64')).digest('hex');

async function failure(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  assert.fail('no error came');
}

const scenarios = {
  async generate() {
    const answer = await client.images.generate({ prompt: 'a red apple', n: 2, seed: 7 });
    assert.ok(Number.isInteger(answer.created) && answer.created > 1.7e9, answer.created);
    assert.strictEqual(answer.output_format, 'png');
    assert.strictEqual(answer.usage.total_tokens, 0);
    assert.deepStrictEqual(answer.data.map(image => image.seed), [7, 8]);
    for (const image of answer.data) assert.strictEqual(sha256(image.b64_json), image.sha256);
  },

  async generate_alike() {
    const one = await client.images.generate({ prompt: 'a red apple', n: 2, seed: 7 });
    const other = await client.images.generate({ prompt: 'a red apple', seed: 8 });
    assert.strictEqual(one.data[1].sha256, other.data[0].sha256);
    assert.notStrictEqual(one.data[0].sha256, one.data[1].sha256);
  },

  async stream() {
    const events = [];
    const stream = await client.images.generate({ prompt: 'a red apple', n: 2, seed: 7, stream: true, partial_images: 1 });
    for await (const event of stream) events.push(event);
    const partial = events.filter(event => event.type === 'image_generation.partial_image');
    const completed = events.filter(event => event.type === 'image_generation.completed');
    assert.strictEqual(partial.length, previews ? 2 : 0);
    assert.deepStrictEqual(completed.map(event => event.seed).sort(), [7, 8]);
    assert.strictEqual(partial.length + completed.length, events.length);
    for (const event of partial) {
      assert.strictEqual(event.partial_image_index, 0);
      assert.ok(Buffer.from(event.b64_json, 'base64').length > 0);
      assert.ok(events.indexOf(event) < events.findIndex(x => x.type === 'image_generation.completed' && x.image_index === event.image_index));
    }
    for (const event of completed) assert.strictEqual(sha256(event.b64_json), event.sha256);
  },

  async stream_abandoned() {
    const stream = await client.images.generate({ prompt: 'a red apple', n: 4, seed: 7, stream: true });
    for await (const event of stream) {
      assert.strictEqual(event.type, 'image_generation.completed');
      break;
    }
  },

  async models() {
    const models = [];
    for await (const model of client.models.list()) models.push(model);
    assert.ok(models.length > 0);
    const one = await client.models.retrieve(models[0].id);
    assert.strictEqual(one.id, models[0].id);
    assert.strictEqual(one.owned_by, 'mesh');
  },

  async unknown_model() {
    const error = await failure(() => client.models.retrieve('dall-e-2'));
    assert.ok(error instanceof OpenAI.NotFoundError, error);
    assert.strictEqual(error.code, 'model_not_found');
  },

  async bad_field() {
    const error = await failure(() => client.images.generate({ prompt: 'x', num_inference_steps: 3 }));
    assert.ok(error instanceof OpenAI.BadRequestError, error);
    assert.strictEqual(error.param, 'num_inference_steps');
    assert.strictEqual(error.type, 'invalid_request_error');
  },

  async url_refused() {
    const error = await failure(() => client.images.generate({ prompt: 'x', response_format: 'url' }));
    assert.ok(error instanceof OpenAI.BadRequestError, error);
    assert.strictEqual(error.param, 'response_format');
  },

  async stream_refused() {
    const error = await failure(() => client.images.generate({ prompt: 'x', n: 0, stream: true }));
    assert.ok(error instanceof OpenAI.BadRequestError, error);
    assert.strictEqual(error.param, 'n');
  },

  async wrong_key() {
    const error = await failure(() => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'wrong', maxRetries: 0 }).models.list());
    assert.ok(error instanceof OpenAI.AuthenticationError, error);
    assert.strictEqual(error.code, 'invalid_api_key');
  },
};

async function main() {
  for (const [scenario, run] of Object.entries(scenarios)) {
    try {
      await run();
      console.log(JSON.stringify({ scenario, ok: true }));
    } catch (error) {
      console.log(JSON.stringify({ scenario, ok: false, error: error.stack || String(error) }));
    }
  }
  process.exit(0);
}

main();
