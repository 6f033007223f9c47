// Runs every scenario against a server and writes one line of JSON for each. Argument: a JSON file of endpoints and certificates.
'use strict';
const fs = require('fs');
const assert = require('assert');
const crypto = require('crypto');
const { grpc, testing, health, reflection, endWithInput } = require('./service');
const { unary, drain, failure, expectStatus, named, outcome, badFields } = require('./calls');

const endpoints = JSON.parse(fs.readFileSync(process.argv[2]));
const open = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
const plain = grpc.credentials.createInsecure();
const clients = [];

function connect(target, credentials = plain, options = {}, Client = testing.TestService) {
  const client = new Client(target, credentials, options);
  clients.push(client);
  return client;
}

const main = connect(endpoints.plain, plain, open);
const limited = connect(endpoints.limited, plain);
const pem = name => fs.readFileSync(endpoints.certificates + '/' + name);

async function echoes(client) {
  const payload = crypto.randomBytes(1000);
  const { reply } = await unary(client, 'Unary', { text: 'grüezi', payload });
  assert.strictEqual(reply.text, 'grüezi');
  assert.ok(payload.equals(reply.payload));
}

function readReflection(Client, request) {
  const call = connect(endpoints.plain, plain, {}, Client.ServerReflection).ServerReflectionInfo();
  const answers = drain(call);
  for (const one of request) call.write(one);
  call.end();
  return answers;
}

async function reflects(Client) {
  const { replies, error } = await readReflection(Client, [
    { list_services: '*' }, { file_containing_symbol: 'mesh.testing.v1.TestService' }, { file_containing_symbol: 'no.such.Symbol' }]);
  assert.ifError(error);
  const services = replies[0].list_services_response.service.map(service => service.name);
  assert.ok(services.includes('mesh.testing.v1.TestService'), services.join());
  const files = replies[1].file_descriptor_response.file_descriptor_proto;
  const protobuf = require('protobufjs/ext/descriptor');
  const names = files.map(file => protobuf.FileDescriptorProto.decode(file)).flatMap(file => file.service.map(service => service.name));
  assert.ok(names.includes('TestService'), names.join());
  assert.strictEqual(replies[2].error_response.error_code, grpc.status.NOT_FOUND);
}

const scenarios = {
  unary: () => echoes(main),

  async empty() {
    const { reply } = await unary(main, 'Unary', {});
    assert.strictEqual(reply.text, '');
    assert.strictEqual(reply.payload.length, 0);
  },

  async server_stream() {
    const { replies, error } = await drain(main.ServerStream({ text: 's', count: 200 }));
    assert.ifError(error);
    assert.deepStrictEqual(replies.map(reply => reply.index), [...Array(200).keys()]);
  },

  async server_stream_empty() {
    const { replies, error } = await drain(main.ServerStream({ count: 0 }));
    assert.ifError(error);
    assert.strictEqual(replies.length, 0);
  },

  async client_stream() {
    const reply = await new Promise((resolve, reject) => {
      const call = main.ClientStream((error, answer) => error ? reject(error) : resolve(answer));
      for (let i = 0; i < 100; i++) call.write({ text: `${i};`, payload: Buffer.alloc(i) });
      call.end();
    });
    assert.strictEqual(reply.text, [...Array(100).keys()].map(i => `${i};`).join(''));
    assert.strictEqual(reply.index, 100);
    assert.strictEqual(reply.received_bytes, 4950);
  },

  async duplex() {
    const call = main.Duplex();
    const { replies, error } = await drain(call, (reply, count) => {
      if (count < 50) call.write({ text: `${count}` });
      else call.end();
    }, call.write({ text: '0' }));
    assert.ifError(error);
    assert.deepStrictEqual(replies.map(reply => reply.text), [...Array(50).keys()].map(String));
  },

  async large() {
    const payload = crypto.randomBytes(64 * 1024 * 1024);
    const { reply } = await unary(main, 'Unary', { payload });
    assert.ok(payload.equals(reply.payload));
  },

  async too_large_for_server() {
    await expectStatus(unary(limited, 'Unary', { payload: Buffer.alloc(5 * 1024 * 1024) }), grpc.status.RESOURCE_EXHAUSTED);
    await echoes(limited);
  },

  async too_large_for_client() {
    await expectStatus(unary(limited, 'Unary', { reply_bytes: 5 * 1024 * 1024 }), grpc.status.RESOURCE_EXHAUSTED);
    await echoes(limited);
  },

  async deadline() {
    const { id, metadata } = named();
    const options = { deadline: Date.now() + 3000 };
    await expectStatus(unary(main, 'Unary', { delay_ms: 60000 }, metadata, options), grpc.status.DEADLINE_EXCEEDED);
    const seen = await outcome(main, id);
    assert.strictEqual(seen.cancelled, true);
    assert.ok(seen.deadline_ms > 0 && seen.deadline_ms <= 3000, `deadline of ${seen.deadline_ms} ms`);
  },

  async deadline_in_stream() {
    const { id, metadata } = named();
    const { replies, error } = await drain(main.ServerStream({ count: 1000, delay_ms: 100 }, metadata, { deadline: Date.now() + 3000 }));
    assert.strictEqual(error.code, grpc.status.DEADLINE_EXCEEDED);
    assert.ok(replies.length < 1000);
    assert.strictEqual((await outcome(main, id)).cancelled, true);
  },

  async cancel_unary() {
    const { id, metadata } = named();
    const error = await new Promise(resolve => {
      const call = main.Unary({ delay_ms: 60000, echo_headers: ['x-call-id'] }, metadata, resolve);
      call.on('metadata', () => call.cancel());
    });
    assert.strictEqual(error.code, grpc.status.CANCELLED);
    assert.strictEqual((await outcome(main, id)).cancelled, true);
  },

  async cancel_server_stream() {
    const { id, metadata } = named();
    const call = main.ServerStream({ count: 1000000, reply_bytes: 1000 }, metadata);
    const { error } = await drain(call, (_, count) => { if (count === 3) call.cancel(); });
    assert.strictEqual(error.code, grpc.status.CANCELLED);
    assert.strictEqual((await outcome(main, id)).cancelled, true);
  },

  async cancel_duplex() {
    // The server is kept busy: Node ends its own side before it resets the stream.
    const { id, metadata } = named();
    const call = main.Duplex(metadata);
    const { error } = await drain(call, () => call.cancel(), call.write({ count: 1000000, reply_bytes: 1000 }));
    assert.strictEqual(error.code, grpc.status.CANCELLED);
    assert.strictEqual((await outcome(main, id)).cancelled, true);
  },

  async status_codes() {
    for (let code = 1; code <= 16; code++) {
      await expectStatus(unary(main, 'Unary', { status: code, detail: `nº ${code}: 100 % “schön” 日本 🍎\n` }), code, `nº ${code}: 100 % “schön” 日本 🍎\n`);
    }
  },

  async status_after_replies() {
    const { replies, error } = await drain(main.ServerStream({ count: 3, status: grpc.status.ABORTED, detail: 'ändern' }));
    assert.strictEqual(replies.length, 3);
    assert.strictEqual(error.code, grpc.status.ABORTED);
    assert.strictEqual(error.details, 'ändern');
  },

  async rich_error() {
    const bad_fields = { prompt: 'is empty', 'images[0].größe': 'must be 512' };
    const error = await expectStatus(unary(main, 'Unary', { status: 3, detail: 'two fields', bad_fields }), 3, 'two fields');
    assert.deepStrictEqual(badFields(error), bad_fields);
  },

  async metadata() {
    const all = Buffer.from([...Array(256).keys()]);
    const { metadata } = named([['x-text', 'one'], ['x-text', 'two words'], ['x-data-bin', all]]);
    // A name given twice comes back twice.
    const names = ['x-text', 'x-data-bin', 'x-data-bin', 'x-absent'];
    const { headers, status } = await unary(main, 'Unary', { echo_headers: names, echo_trailers: names }, metadata);
    for (const received of [headers, status.metadata]) {
      // HTTP lets every hop join equal names with a comma.
      assert.match(received.get('x-text').join(','), /^one, ?two words$/);
      const data = received.get('x-data-bin');
      assert.strictEqual(data.length, 2);
      assert.ok(all.equals(data[0]) && all.equals(data[1]));
      assert.deepStrictEqual(received.get('x-absent'), []);
    }
  },

  async metadata_with_error() {
    const { metadata } = named([['x-text', 'kept'], ['x-data-bin', Buffer.from([1, 2, 3])]]);
    const error = await expectStatus(unary(main, 'Unary', { status: 9, echo_trailers: ['x-text', 'x-data-bin'] }, metadata), 9);
    assert.deepStrictEqual(error.metadata.get('x-text'), ['kept']);
    assert.deepStrictEqual([...error.metadata.get('x-data-bin')[0]], [1, 2, 3]);
  },

  async unknown_method() {
    const Ghost = grpc.makeGenericClientConstructor({
      Gone: { ...testing.TestService.service.Unary, path: '/mesh.testing.v1.TestService/Gone' },
      Lost: { ...testing.TestService.service.Unary, path: '/mesh.testing.v1.Lost/Unary' },
    }, 'Ghost');
    const ghost = connect(endpoints.plain, plain, {}, Ghost);
    await expectStatus(unary(ghost, 'Gone', {}), grpc.status.UNIMPLEMENTED);
    await expectStatus(unary(ghost, 'Lost', {}), grpc.status.UNIMPLEMENTED);
  },

  async gzip() {
    const client = connect(endpoints.gzip, plain, { ...open, 'grpc.default_compression_algorithm': 2 });
    const { id, metadata } = named();
    const payload = Buffer.alloc(1024 * 1024, 'compress me ');
    const { reply } = await unary(client, 'Unary', { payload }, metadata);
    assert.ok(payload.equals(reply.payload));
    const seen = await outcome(client, id);
    assert.strictEqual(seen.request_encoding, 'gzip');
    assert.ok(seen.request_wire_bytes > 0 && seen.request_wire_bytes < 65536, `request of ${seen.request_wire_bytes} bytes`);
    assert.ok(seen.response_wire_bytes > 0 && seen.response_wire_bytes < 65536, `response of ${seen.response_wire_bytes} bytes`);
  },

  async gzip_stream() {
    const client = connect(endpoints.gzip, plain, { ...open, 'grpc.default_compression_algorithm': 2 });
    const { id, metadata } = named();
    const call = client.Duplex(metadata);
    const payload = Buffer.alloc(10000, 'compress me ');
    for (let i = 0; i < 20; i++) call.write({ payload });
    call.end();
    const { replies, error } = await drain(call);
    assert.ifError(error);
    assert.strictEqual(replies.filter(reply => payload.equals(reply.payload)).length, 20);
    const seen = await outcome(client, id);
    assert.ok(seen.request_wire_bytes > 0 && seen.request_wire_bytes < 20000, `request of ${seen.request_wire_bytes} bytes`);
    assert.ok(seen.response_wire_bytes > 0 && seen.response_wire_bytes < 20000, `response of ${seen.response_wire_bytes} bytes`);
  },

  tls: () => echoes(connect(endpoints.tls, grpc.credentials.createSsl(pem('ca.pem')))),

  async tls_untrusted() {
    const error = await failure(unary(connect(endpoints.tls, grpc.credentials.createSsl()), 'Unary', {}));
    assert.strictEqual(error.code, grpc.status.UNAVAILABLE);
  },

  mutual_tls: () => echoes(connect(endpoints.mtls, grpc.credentials.createSsl(pem('ca.pem'), pem('client.key'), pem('client.pem')))),

  async mutual_tls_without_certificate() {
    const error = await failure(unary(connect(endpoints.mtls, grpc.credentials.createSsl(pem('ca.pem'))), 'Unary', {}));
    assert.strictEqual(error.code, grpc.status.UNAVAILABLE);
  },

  unix_socket: () => echoes(connect('unix:' + endpoints.unix)),

  async concurrent() {
    const calls = [...Array(300).keys()].map(async i => {
      const payload = crypto.randomBytes(i * 37);
      const { reply } = await unary(main, 'Unary', { text: `${i}`, payload });
      assert.strictEqual(reply.text, `${i}`);
      assert.ok(payload.equals(reply.payload));
    });
    await Promise.all(calls);
  },

  async keepalive() {
    const client = connect(endpoints.plain, plain, { 'grpc.keepalive_time_ms': 1000, 'grpc.keepalive_permit_without_calls': 1 });
    const { error } = await drain(client.ServerStream({ count: 25, delay_ms: 100 }));
    assert.ifError(error);
  },

  async health() {
    const client = connect(endpoints.plain, plain, {}, health.Health);
    const { reply } = await unary(client, 'Check', { service: '' });
    assert.strictEqual(reply.status, 'SERVING');
    await expectStatus(unary(client, 'Check', { service: 'no.such.Service' }), grpc.status.NOT_FOUND);
    const watch = client.Watch({ service: '' });
    const { replies } = await drain(watch, () => watch.cancel());
    assert.deepStrictEqual(replies.map(answer => answer.status), ['SERVING']);
  },

  reflection_v1: () => reflects(reflection.v1),

  reflection_v1alpha: () => reflects(reflection.v1alpha),
};

async function run() {
  for (const [scenario, action] of Object.entries(scenarios)) {
    let line;
    try {
      await action();
      line = { scenario, ok: true };
    } catch (error) {
      line = { scenario, ok: false, error: error.stack };
    }
    process.stdout.write(JSON.stringify(line) + '\n');
  }
  for (const client of clients) client.close();
  process.exit(0);
}

endWithInput();
run();
