// Generates with a running mesh over @grpc/grpc-js. Argument: a JSON file { "grpc": address, "model": id, "preview_model": id or null }.
// Writes one line of JSON for each scenario.
'use strict';
const fs = require('fs');
const assert = require('assert');
const crypto = require('crypto');
const { grpc, load, rpc, status: rpcStatus, health } = require('./service');
const { unary, drain } = require('./calls');

const settings = JSON.parse(fs.readFileSync(process.argv[2]));
const image = load('mesh/image/v1/image_service.proto').mesh.image.v1;
const credentials = grpc.credentials.createInsecure();
const client = new image.ImageService(settings.grpc, credentials);
const CHUNK = 64 * 1024;
const KINDS = { IMAGE_FORMAT_PNG: '89504e470d0a1a0a', IMAGE_FORMAT_JPEG: 'ffd8ff', IMAGE_FORMAT_WEBP: '52494646' };

const sha256 = bytes => crypto.createHash('sha256').update(bytes).digest('hex');
const soon = () => ({ deadline: Date.now() + 120000 });
const generate = (request, options = soon()) => client.Generate({ model: settings.model, ...request }, new grpc.Metadata(), options);

// A call to its end, its events checked for order and completeness: { accepted, images: [{ bytes, preview, completed, at }], events }.
async function draw(request) {
  const { replies, error } = await drain(generate(request));
  assert.ifError(error);
  return assemble(replies);
}

function assemble(events) {
  assert.deepStrictEqual(events.map(event => event.sequence), events.map((_, i) => i + 1));
  for (let i = 1; i < events.length; i++) assert.ok(events[i].elapsed_us >= events[i - 1].elapsed_us, `event ${i} goes back in time`);
  const accepted = events[0].accepted;
  assert.ok(accepted, 'the first event is not accepted');
  assert.ok(accepted.request_id.length > 0);
  const images = accepted.seeds.map(() => ({ image: [], preview: [] }));
  events.forEach((event, at) => {
    if (event.image || event.preview) take(images[(event.image || event.preview).index], event.image ? 'image' : 'preview', event.image || event.preview, at);
    if (event.completed) Object.assign(images[event.completed.index], { completed: event.completed, at });
  });
  images.forEach((one, index) => check(one, index, accepted));
  return { accepted, images, events };
}

function take(one, kind, chunk, at) {
  assert.ok(!one.completed, 'a chunk after its image was completed');
  assert.ok(chunk.data.length > 0 && chunk.data.length <= CHUNK, `${chunk.data.length} bytes in a chunk`);
  assert.strictEqual(chunk.offset_bytes, one[kind].reduce((sum, part) => sum + part.data.length, 0));
  assert.strictEqual(chunk.mime_type.length > 0, one[kind].length === 0);
  assert.ok(one[kind].every(part => !part.last));
  if (kind === 'preview') assert.strictEqual(one.image.length, 0, 'a preview after its image');
  one[kind].push({ ...chunk, at });
}

function check(one, index, accepted) {
  assert.ok(one.completed, `image ${index} was not completed`);
  assert.ok(one.image.at(-1).last);
  one.bytes = Buffer.concat(one.image.map(chunk => chunk.data));
  assert.strictEqual(sha256(one.bytes), one.completed.sha256.toString('hex'));
  assert.strictEqual(one.completed.seed, accepted.seeds[index]);
  for (const stage of ['generate', 'decode']) {
    const { queue_us, compute_us, total_us, batch_size } = one.completed[stage];
    assert.ok(compute_us > 0 && queue_us >= 0 && total_us >= compute_us && batch_size >= 1, JSON.stringify(one.completed[stage]));
  }
  for (const name of ['device_kind', 'build', 'numerics']) assert.ok(one.completed.reproducibility[name].length > 0, name);
  assert.deepStrictEqual(one.completed.model, accepted.model);
}

function details(error) {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  return rpcStatus.deserialize(bytes).details;
}

async function refused(request, code) {
  const { replies, error } = await drain(generate(request));
  assert.strictEqual(replies.length, 0);
  assert.strictEqual(error.code, code, `${error.code} ${error.details}`);
  const [info] = details(error).filter(detail => detail.type_url.endsWith('/google.rpc.ErrorInfo')).map(detail => rpc.ErrorInfo.deserialize(detail.value));
  assert.strictEqual(info.domain, 'mesh');
  return { error, reason: info.reason };
}

function fieldsOf(error) {
  const [bad] = details(error).filter(detail => detail.type_url.endsWith('/google.rpc.BadRequest')).map(detail => rpc.BadRequest.deserialize(detail.value));
  return bad.field_violations.map(violation => violation.field);
}

const scenarios = {
  async capabilities() {
    const { reply } = await unary(client, 'GetCapabilities', {});
    assert.ok(reply.max_count >= 1);
    assert.ok(reply.formats.includes('IMAGE_FORMAT_PNG'));
    assert.ok(reply.default_model.length > 0);
  },

  async models() {
    const ids = [];
    let page_token = '';
    do {
      const { reply } = await unary(client, 'ListModels', { page_size: 1, page_token });
      assert.strictEqual(reply.models.length, 1);
      ids.push(reply.models[0].model.id);
      page_token = reply.next_page_token;
    } while (page_token);
    assert.ok(ids.includes(settings.model), ids.join());
  },

  async generate() {
    const { accepted, images, events } = await draw({ prompt: 'a red apple', count: 2, seeds: [7] });
    assert.deepStrictEqual(accepted.seeds, [7, 8]);
    assert.strictEqual(accepted.model.id, settings.model);
    assert.strictEqual(events.filter(event => event.encoded).length, 1);
    assert.strictEqual(images[0].image[0].mime_type, 'image/png');
    for (const one of images) assert.ok(one.bytes.toString('hex').startsWith(KINDS.IMAGE_FORMAT_PNG));
    assert.notStrictEqual(sha256(images[0].bytes), sha256(images[1].bytes));
  },

  async generate_alike() {
    const both = await draw({ prompt: 'a red apple', count: 2, seeds: [7] });
    const one = await draw({ prompt: 'a red apple', seeds: [8] });
    assert.ok(both.images[1].bytes.equals(one.images[0].bytes));
  },

  async as_they_are_made() {
    const { images } = await draw({ prompt: 'a red apple', count: 6, seeds: [100] });
    const completed = images.map(one => one.at).sort((a, b) => a - b);
    const begun = Math.max(...images.map(one => one.image[0].at));
    assert.ok(completed[0] < begun, 'every image began before the first was completed');
  },

  async previews() {
    if (!settings.preview_model) {
      const { reason, error } = await refused({ prompt: 'x', preview: true }, grpc.status.FAILED_PRECONDITION);
      assert.ok(reason.length > 0 && error.details.length > 0);
      return;
    }
    const { images } = await draw({ prompt: 'a red apple', count: 2, seeds: [7], preview: true, model: settings.preview_model });
    for (const one of images) {
      assert.ok(one.preview.at(-1).last);
      assert.match(one.preview[0].mime_type, /^image\//);
      assert.ok(one.preview.at(-1).at < one.image[0].at);
    }
  },

  async formats() {
    for (const [format, start] of Object.entries(KINDS)) {
      const { images } = await draw({ prompt: 'a red apple', seeds: [7], format });
      assert.ok(images[0].bytes.toString('hex').startsWith(start), format);
    }
  },

  async replay() {
    const request = { prompt: 'a red apple', seeds: [9], request_id: crypto.randomUUID() };
    const first = await draw(request);
    const second = await draw(request);
    assert.deepStrictEqual([first.accepted.replayed, second.accepted.replayed], [false, true]);
    assert.strictEqual(second.accepted.request_id, request.request_id);
    assert.ok(first.images[0].bytes.equals(second.images[0].bytes));
  },

  async cancel() {
    const call = generate({ prompt: 'a red apple', count: 16, seeds: [200] });
    const { replies, error } = await drain(call, reply => { if (reply.completed) call.cancel(); });
    assert.strictEqual(error.code, grpc.status.CANCELLED);
    assert.ok(replies.filter(reply => reply.completed).length < 16);
    await draw({ prompt: 'a red apple', seeds: [7] });
  },

  async deadline() {
    const { error } = await drain(generate({ prompt: 'a red apple', count: 64, seeds: [300] }, { deadline: Date.now() + 20 }));
    assert.strictEqual(error.code, grpc.status.DEADLINE_EXCEEDED);
    await draw({ prompt: 'a red apple', seeds: [7] });
  },

  async bad_fields() {
    const cases = [
      [{ prompt: '' }, 'prompt'], [{ prompt: 'a\0b' }, 'prompt'], [{ prompt: 'x'.repeat(10000) }, 'prompt'],
      [{ prompt: 'x', count: -1 }, 'count'], [{ prompt: 'x', width_px: 7 }, 'width_px'], [{ prompt: 'x', height_px: 100000 }, 'height_px'],
      [{ prompt: 'x', guidance: NaN }, 'guidance'], [{ prompt: 'x', steps: 0 }, 'steps'], [{ prompt: 'x', request_id: 'seven' }, 'request_id'],
    ];
    for (const [request, field] of cases) {
      const { error } = await refused(request, grpc.status.INVALID_ARGUMENT);
      assert.ok(fieldsOf(error).includes(field), `${field}: ${error.details}`);
    }
  },

  async unknown_names() {
    assert.strictEqual((await refused({ prompt: 'x', model: 'dall-e-2' }, grpc.status.NOT_FOUND)).reason, 'MODEL_NOT_FOUND');
    assert.strictEqual((await refused({ prompt: 'x', loras: [{ name: 'lost', weight: 1 }] }, grpc.status.NOT_FOUND)).reason, 'LORA_NOT_FOUND');
  },

  async concurrent() {
    const seeds = [...Array(16).keys()].map(i => 400 + i);
    const together = await Promise.all(seeds.map(seed => draw({ prompt: 'a red apple', seeds: [seed] })));
    const alone = await draw({ prompt: 'a red apple', seeds: [seeds[5]] });
    assert.ok(together[5].images[0].bytes.equals(alone.images[0].bytes));
    assert.strictEqual(new Set(together.map(call => sha256(call.images[0].bytes))).size, seeds.length);
  },

  async healthy() {
    const probe = new health.Health(settings.grpc, credentials);
    const { reply } = await unary(probe, 'Check', { service: 'mesh.image.v1.ImageService' });
    assert.strictEqual(reply.status, 'SERVING');
    probe.close();
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
