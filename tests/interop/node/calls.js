// Calls as promises, and the checks that scenarios are made of.
'use strict';
const assert = require('assert');
const crypto = require('crypto');
const { grpc, rpc, status: rpcStatus } = require('./service');

// One reply: resolves to { reply, headers, status }, rejects with the call's error.
function unary(client, method, request, metadata = new grpc.Metadata(), options = {}) {
  return new Promise((resolve, reject) => {
    const seen = {};
    const call = client[method](request, metadata, options, (error, reply) => {
      if (error) reject(Object.assign(error, { headers: seen.headers }));
      else seen.reply = reply;
    });
    call.on('metadata', headers => { seen.headers = headers; });
    call.on('status', status => { if (status.code === grpc.status.OK) resolve({ ...seen, status }); });
  });
}

// Every reply of a streaming call: resolves to { replies, headers, error, status }; an error does not reject.
function drain(call, onReply = () => {}) {
  return new Promise(resolve => {
    const seen = { replies: [] };
    call.on('metadata', headers => { seen.headers = headers; });
    call.on('data', reply => { seen.replies.push(reply); onReply(reply, seen.replies.length); });
    call.on('error', error => { seen.error = error; });
    call.on('status', status => { seen.status = status; setImmediate(() => resolve(seen)); });
  });
}

// The error that a promise rejects with.
async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('the call succeeded');
}

async function expectStatus(promise, code, details) {
  const error = await failure(promise);
  assert.strictEqual(error.code, code, `${error.code} ${error.details}`);
  if (details !== undefined) assert.strictEqual(error.details, details);
  return error;
}

// Metadata that names the call, so that its outcome can be asked for.
function named(entries = []) {
  const metadata = new grpc.Metadata();
  const id = crypto.randomUUID();
  metadata.set('x-call-id', id);
  for (const [key, value] of entries) metadata.add(key, value);
  return { id, metadata };
}

async function outcome(client, id) {
  return (await unary(client, 'Outcome', { call_id: id }, undefined, { deadline: Date.now() + 20000 })).reply;
}

// The fields of the google.rpc.BadRequest in an error's trailers.
function badFields(error) {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const status = rpcStatus.deserialize(bytes);
  assert.strictEqual(status.code, error.code);
  assert.strictEqual(status.message, error.details);
  assert.strictEqual(status.details.length, 1);
  assert.match(status.details[0].type_url, /\/google\.rpc\.BadRequest$/);
  const bad = rpc.BadRequest.deserialize(status.details[0].value);
  return Object.fromEntries(bad.field_violations.map(violation => [violation.field, violation.description]));
}

module.exports = { unary, drain, failure, expectStatus, named, outcome, badFields };
