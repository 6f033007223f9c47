// The test service on @grpc/grpc-js. Arguments: a folder with certificates, a path for the Unix socket.
'use strict';
const fs = require('fs');
const { grpc, testing, rpc, status: rpcStatus, endWithInput } = require('./service');

const [certificates, socket] = process.argv.slice(2);
const calls = new Map();

// The record of a call, made by whoever comes first: the call itself or the question how it ended.
function record(id) {
  if (!calls.has(id)) {
    const entry = {};
    entry.ended = new Promise(resolve => { entry.end = resolve; });
    calls.set(id, entry);
  }
  return calls.get(id);
}

// Headers and the note of how the call ends. Returns a function that waits and one that gives the trailers or the error.
function begin(call) {
  const [id] = call.metadata.get('x-call-id');
  const state = { cancelled: false, wake: () => {}, headers: false };
  const deadline = call.getDeadline();
  const deadline_ms = Number.isFinite(+deadline) ? Math.max(0, deadline - Date.now()) : 0;
  const end = () => { if (id) record(id).end({ cancelled: state.cancelled, deadline_ms }); };
  call.on('cancelled', () => { state.cancelled = true; state.wake(); end(); });
  state.end = end;
  state.wait = ms => ms > 0 && !state.cancelled
    ? new Promise(resolve => { const timer = setTimeout(resolve, ms); state.wake = () => { clearTimeout(timer); resolve(); }; })
    : Promise.resolve();
  return state;
}

function copy(from, names) {
  const metadata = new grpc.Metadata();
  for (const name of names) for (const value of from.get(name)) metadata.add(name, value);
  return metadata;
}

function sendHeaders(call, state, request) {
  if (state.headers || request.echo_headers.length === 0) return;
  state.headers = true;
  call.sendMetadata(copy(call.metadata, request.echo_headers));
}

function failure(request, metadata) {
  const fields = Object.entries(request.bad_fields);
  if (fields.length > 0) {
    const value = rpc.BadRequest.serialize({ field_violations: fields.map(([field, description]) => ({ field, description })) });
    const details = [{ type_url: 'type.googleapis.com/google.rpc.BadRequest', value }];
    metadata.set('grpc-status-details-bin', rpcStatus.serialize({ code: request.status, message: request.detail, details }));
  }
  return { code: request.status, details: request.detail, metadata };
}

function reply(request, index, received) {
  const payload = request.reply_bytes > 0 ? Buffer.alloc(request.reply_bytes) : request.payload;
  return { text: request.text, payload, index, received_bytes: received };
}

// Writes with respect to flow control: waits while the stream is full.
async function write(call, state, message) {
  if (call.write(message) || state.cancelled) return;
  await new Promise(resolve => { state.wake = resolve; call.once('drain', resolve); });
}

const handlers = {
  async Unary(call, callback) {
    const state = begin(call);
    const { request } = call;
    sendHeaders(call, state, request);
    await state.wait(request.delay_ms);
    state.end();
    const trailers = copy(call.metadata, request.echo_trailers);
    if (request.status) callback(failure(request, trailers));
    else callback(null, reply(request, 0, request.payload.length), trailers);
  },

  async ServerStream(call) {
    const state = begin(call);
    const { request } = call;
    sendHeaders(call, state, request);
    for (let i = 0; i < request.count && !state.cancelled; i++) {
      await state.wait(request.delay_ms);
      await write(call, state, reply(request, i, request.payload.length));
    }
    state.end();
    const trailers = copy(call.metadata, request.echo_trailers);
    if (request.status) call.emit('error', failure(request, trailers));
    else call.end(trailers);
  },

  ClientStream(call, callback) {
    const state = begin(call);
    let [text, count, received] = ['', 0, 0];
    call.on('data', request => { text += request.text; count++; received += request.payload.length; });
    call.on('end', () => { state.end(); callback(null, { text, index: count, received_bytes: received, payload: Buffer.alloc(0) }); });
  },

  Duplex(call) {
    const state = begin(call);
    let [index, received, last, work] = [0, 0, null, Promise.resolve()];

    async function answer(request) {
      last = request;
      received += request.payload.length;
      sendHeaders(call, state, request);
      for (let i = 0; i < Math.max(request.count, 1) && !state.cancelled; i++) {
        await state.wait(request.delay_ms);
        await write(call, state, reply(request, index++, received));
      }
    }

    function finish() {
      state.end();
      const trailers = last ? copy(call.metadata, last.echo_trailers) : new grpc.Metadata();
      if (last && last.status) call.emit('error', failure(last, trailers));
      else call.end(trailers);
    }

    // One request at a time, in order: the next is read once this one is answered.
    call.on('data', request => {
      call.pause();
      work = work.then(() => answer(request)).then(() => call.resume());
    });
    call.on('end', () => work.then(finish));
  },

  async Outcome(call, callback) {
    callback(null, await record(call.request.call_id).ended);
  },
};

const server = new grpc.Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
server.addService(testing.TestService.service, handlers);

const pem = name => fs.readFileSync(certificates + '/' + name);
const keys = [{ private_key: pem('server.key'), cert_chain: pem('server.pem') }];
const bind = (address, credentials) => new Promise((resolve, reject) =>
  server.bindAsync(address, credentials, (error, port) => error ? reject(error) : resolve(port)));

async function start() {
  const plain = await bind('127.0.0.1:0', grpc.ServerCredentials.createInsecure());
  const tls = await bind('127.0.0.1:0', grpc.ServerCredentials.createSsl(null, keys, false));
  const mtls = await bind('127.0.0.1:0', grpc.ServerCredentials.createSsl(pem('ca.pem'), keys, true));
  await bind('unix:' + socket, grpc.ServerCredentials.createInsecure());
  process.stdout.write(JSON.stringify({ plain, tls, mtls }) + '\n');
}

endWithInput();
start();
