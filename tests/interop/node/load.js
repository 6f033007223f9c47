// The load program's half on @grpc/grpc-js. `server`: writes its port, ends with its input.
// `client PORT SCENARIO SECONDS CONCURRENCY`: writes how many replies came in how many seconds.
'use strict';
const { grpc, testing, endWithInput } = require('./service');

const open = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };

function serve() {
  const server = new grpc.Server(open);
  server.addService(testing.TestService.service, {
    Unary: (call, callback) => callback(null, { text: call.request.text, payload: call.request.payload }),
    async ServerStream(call) {
      const { text, payload, count } = call.request;
      for (let index = 0; index < count; index++) {
        if (!call.write({ text, payload, index })) await new Promise(resolve => call.once('drain', resolve));
      }
      call.end();
    },
  });
  server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, plain) => {
    if (error) throw error;
    process.stdout.write(JSON.stringify({ plain }) + '\n');
  });
  endWithInput();
}

const requests = {
  unary: { text: 'a short text' },
  stream: { text: 'a short text', count: 10000 },
  payload_64k: { payload: Buffer.alloc(65536, 7) },
  payload_1m: { payload: Buffer.alloc(1048576, 7) },
};

// One call after the other until told to stop; counts replies.
async function work(client, scenario, state) {
  const request = requests[scenario];
  while (!state.stop) {
    await new Promise((resolve, reject) => {
      if (scenario !== 'stream') {
        client.Unary(request, error => { if (error) reject(error); else { state.count++; resolve(); } });
        return;
      }
      const call = client.ServerStream(request);
      call.on('data', () => { state.count++; if (state.stop) call.cancel(); });
      call.on('error', error => { if (state.stop) resolve(); else reject(error); });
      call.on('end', resolve);
    });
  }
}

const wait = seconds => new Promise(resolve => setTimeout(resolve, seconds * 1000));

async function measure(port, scenario, seconds, concurrency) {
  const client = new testing.TestService(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), open);
  const state = { stop: false, count: 0 };
  const workers = Array.from({ length: concurrency }, () => work(client, scenario, state));
  await wait(seconds / 2);
  const [count, start] = [state.count, process.hrtime.bigint()];
  await Promise.race([wait(seconds), ...workers]);
  const result = { count: state.count - count, seconds: Number(process.hrtime.bigint() - start) / 1e9 };
  state.stop = true;
  await Promise.all(workers);
  process.stdout.write(JSON.stringify(result) + '\n');
  process.exit(0);
}

const [mode, port, scenario, seconds, concurrency] = process.argv.slice(2);
if (mode === 'server') serve();
else measure(port, scenario, Number(seconds), Number(concurrency));
