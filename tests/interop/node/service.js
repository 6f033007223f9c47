// The test service's definitions, and what client, server and load program share.
'use strict';
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const root = path.resolve(__dirname, '../../..');
const folders = ['protos', 'tests/Mesh.Grpc.Tests/protos', 'tests/interop/protos'].map(folder => path.join(root, folder));

function load(file) {
  const definition = loader.loadSync(file, {
    includeDirs: folders, keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true, bytes: Buffer,
  });
  return grpc.loadPackageDefinition(definition);
}

const testing = load('mesh/testing/v1/test.proto').mesh.testing.v1;
const rpc = load('google/rpc/error_details.proto').google.rpc;
const status = load('google/rpc/status.proto').google.rpc.Status;
const health = load('health.proto').grpc.health.v1;
const reflection = {
  v1: load('reflection_v1.proto').grpc.reflection.v1,
  v1alpha: load('reflection_v1alpha.proto').grpc.reflection.v1alpha,
};

// Ends the process when whoever started it has gone or closes the pipe.
function endWithInput() {
  process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
}

module.exports = { grpc, load, testing, rpc, status, health, reflection, endWithInput };
