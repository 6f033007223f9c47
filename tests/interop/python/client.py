"""Runs every scenario against a server and writes one line of JSON for each. Argument: a JSON file of endpoints and certificates."""
import concurrent.futures
import json
import os
import queue
import sys
import traceback
import uuid

import grpc
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2, status_pb2
from mesh.testing.v1 import test_pb2 as pb
from mesh.testing.v1 import test_pb2_grpc as stubs
import health_pb2
import health_pb2_grpc
import reflection_v1_pb2
import reflection_v1_pb2_grpc
import reflection_v1alpha_pb2
import reflection_v1alpha_pb2_grpc

Status = grpc.StatusCode
WAIT = 60
OPEN = [('grpc.max_receive_message_length', -1), ('grpc.max_send_message_length', -1)]

with open(sys.argv[1], encoding='utf-8') as file:
    endpoints = json.load(file)


def pem(name):
    with open(os.path.join(endpoints['certificates'], name), 'rb') as file:
        return file.read()


def plain(target, options=(), compression=None):
    return grpc.insecure_channel(endpoints[target], options=list(options), compression=compression)


def secure(target, **keys):
    return grpc.secure_channel(endpoints[target], grpc.ssl_channel_credentials(**keys))


main = stubs.TestServiceStub(plain('plain', OPEN))
limited = stubs.TestServiceStub(plain('limited'))


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f'{actual!r:.300} instead of {expected!r:.300}')


def expect(code, action, details=None):
    """The call's error, which must have this code."""
    try:
        action()
    except grpc.RpcError as error:
        equal(error.code(), code)
        if details is not None:
            equal(error.details(), details)
        return error
    raise AssertionError('the call succeeded')


def named(*entries):
    """Metadata that names the call, so that its outcome can be asked for."""
    call_id = str(uuid.uuid4())
    return call_id, [('x-call-id', call_id), *entries]


def outcome(call_id, stub=main):
    return stub.Outcome(pb.OutcomeRequest(call_id=call_id), timeout=20)


def values(metadata, name):
    return [value for key, value in metadata if key == name]


def echoes(stub):
    payload = os.urandom(1000)
    reply = stub.Unary(pb.TestRequest(text='grüezi', payload=payload), timeout=WAIT)
    equal(reply.text, 'grüezi')
    equal(reply.payload, payload)


def unary():
    echoes(main)


def empty():
    equal(main.Unary(pb.TestRequest(), timeout=WAIT), pb.TestReply())


def server_stream():
    replies = list(main.ServerStream(pb.TestRequest(text='s', count=200), timeout=WAIT))
    equal([reply.index for reply in replies], list(range(200)))


def server_stream_empty():
    equal(list(main.ServerStream(pb.TestRequest(), timeout=WAIT)), [])


def client_stream():
    requests = (pb.TestRequest(text=f'{i};', payload=bytes(i)) for i in range(100))
    reply = main.ClientStream(requests, timeout=WAIT)
    equal(reply.text, ''.join(f'{i};' for i in range(100)))
    equal(reply.index, 100)
    equal(reply.received_bytes, 4950)


def duplex():
    # Each request is written only once the reply before has come.
    requests = queue.Queue()
    requests.put(pb.TestRequest(text='0'))
    texts = []
    for reply in main.Duplex(iter(requests.get, None), timeout=WAIT):
        texts.append(reply.text)
        requests.put(pb.TestRequest(text=str(len(texts))) if len(texts) < 50 else None)
    equal(texts, [str(i) for i in range(50)])


def large():
    payload = os.urandom(64 * 1024 * 1024)
    equal(main.Unary(pb.TestRequest(payload=payload), timeout=WAIT).payload, payload)


def too_large_for_server():
    expect(Status.RESOURCE_EXHAUSTED, lambda: limited.Unary(pb.TestRequest(payload=bytes(5 * 1024 * 1024)), timeout=WAIT))
    echoes(limited)


def too_large_for_client():
    expect(Status.RESOURCE_EXHAUSTED, lambda: limited.Unary(pb.TestRequest(reply_bytes=5 * 1024 * 1024), timeout=WAIT))
    echoes(limited)


def deadline():
    call_id, metadata = named()
    expect(Status.DEADLINE_EXCEEDED, lambda: main.Unary(pb.TestRequest(delay_ms=60000), metadata=metadata, timeout=3))
    seen = outcome(call_id)
    equal(seen.cancelled, True)
    # The core rounds a timeout up on its way to the wire.
    assert 0 < seen.deadline_ms <= 3100, seen


def deadline_in_stream():
    call_id, metadata = named()
    expect(Status.DEADLINE_EXCEEDED, lambda: list(main.ServerStream(pb.TestRequest(count=1000, delay_ms=100), metadata=metadata, timeout=3)))
    equal(outcome(call_id).cancelled, True)


def cancel_unary():
    call_id, metadata = named()
    # A stream with one late reply, because only a stream shows the headers before its end.
    call = main.ServerStream(pb.TestRequest(count=1, delay_ms=60000, echo_headers=['x-call-id']), metadata=metadata, timeout=WAIT)
    equal(values(call.initial_metadata(), 'x-call-id'), [call_id])
    call.cancel()
    expect(Status.CANCELLED, lambda: list(call))
    equal(outcome(call_id).cancelled, True)


def cancel_server_stream():
    call_id, metadata = named()
    call = main.ServerStream(pb.TestRequest(count=1000000, reply_bytes=1000), metadata=metadata, timeout=WAIT)
    for _ in range(3):
        next(call)
    call.cancel()
    expect(Status.CANCELLED, lambda: list(call))
    equal(outcome(call_id).cancelled, True)


def cancel_duplex():
    call_id, metadata = named()
    requests = queue.Queue()
    requests.put(pb.TestRequest(text='one'))
    call = main.Duplex(iter(requests.get, None), metadata=metadata, timeout=WAIT)
    equal(next(call).text, 'one')
    call.cancel()
    expect(Status.CANCELLED, lambda: next(call))
    requests.put(None)
    equal(outcome(call_id).cancelled, True)


def status_codes():
    for status in Status:
        code = status.value[0]
        text = f'nº {code}: 100 % “schön” 日本 🍎\n'
        if code != 0:
            expect(status, lambda: main.Unary(pb.TestRequest(status=code, detail=text), timeout=WAIT), text)


def status_after_replies():
    call = main.ServerStream(pb.TestRequest(count=3, status=10, detail='ändern'), timeout=WAIT)
    equal([next(call).index for _ in range(3)], [0, 1, 2])
    expect(Status.ABORTED, lambda: next(call), 'ändern')


def rich_error():
    fields = {'prompt': 'is empty', 'images[0].größe': 'must be 512'}
    request = pb.TestRequest(status=3, detail='two fields', bad_fields=fields)
    error = expect(Status.INVALID_ARGUMENT, lambda: main.Unary(request, timeout=WAIT), 'two fields')
    [serialised] = values(error.trailing_metadata(), 'grpc-status-details-bin')
    status = status_pb2.Status.FromString(serialised)
    equal((status.code, status.message, len(status.details)), (3, 'two fields', 1))
    bad = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(bad), status
    equal({violation.field: violation.description for violation in bad.field_violations}, fields)


def metadata():
    everything = bytes(range(256))
    _, sent = named(('x-text', 'one'), ('x-text', 'two words'), ('x-data-bin', everything))
    # A name given twice comes back twice.
    names = ['x-text', 'x-data-bin', 'x-data-bin', 'x-absent']
    _, call = main.Unary.with_call(pb.TestRequest(echo_headers=names, echo_trailers=names), metadata=sent, timeout=WAIT)
    for received in (call.initial_metadata(), call.trailing_metadata()):
        # HTTP lets every hop join equal names with a comma.
        equal(','.join(values(received, 'x-text')).replace(', ', ','), 'one,two words')
        equal(values(received, 'x-data-bin'), [everything, everything])
        equal(values(received, 'x-absent'), [])


def metadata_with_error():
    _, sent = named(('x-text', 'kept'), ('x-data-bin', b'\1\2\3'))
    request = pb.TestRequest(status=9, echo_trailers=['x-text', 'x-data-bin'])
    error = expect(Status.FAILED_PRECONDITION, lambda: main.Unary(request, metadata=sent, timeout=WAIT))
    equal(values(error.trailing_metadata(), 'x-text'), ['kept'])
    equal(values(error.trailing_metadata(), 'x-data-bin'), [b'\1\2\3'])


def unknown_method():
    channel = plain('plain')
    for path in ('/mesh.testing.v1.TestService/Gone', '/mesh.testing.v1.Lost/Unary'):
        call = channel.unary_unary(path, pb.TestRequest.SerializeToString, pb.TestReply.FromString)
        expect(Status.UNIMPLEMENTED, lambda: call(pb.TestRequest(), timeout=WAIT))


def gzip():
    stub = stubs.TestServiceStub(plain('gzip', OPEN, grpc.Compression.Gzip))
    call_id, metadata = named()
    payload = b'compress me ' * 100000
    equal(stub.Unary(pb.TestRequest(payload=payload), metadata=metadata, timeout=WAIT).payload, payload)
    seen = outcome(call_id, stub)
    equal(seen.request_encoding, 'gzip')
    assert 0 < seen.request_wire_bytes < 65536, seen
    assert 0 < seen.response_wire_bytes < 65536, seen


def gzip_stream():
    stub = stubs.TestServiceStub(plain('gzip', OPEN, grpc.Compression.Gzip))
    call_id, metadata = named()
    payload = b'compress me ' * 1000
    requests = (pb.TestRequest(payload=payload) for _ in range(20))
    equal([reply.payload for reply in stub.Duplex(requests, metadata=metadata, timeout=WAIT)], [payload] * 20)
    seen = outcome(call_id, stub)
    assert 0 < seen.request_wire_bytes < 20000, seen
    assert 0 < seen.response_wire_bytes < 20000, seen


def tls():
    echoes(stubs.TestServiceStub(secure('tls', root_certificates=pem('ca.pem'))))


def tls_untrusted():
    expect(Status.UNAVAILABLE, lambda: echoes(stubs.TestServiceStub(secure('tls'))))


def mutual_tls():
    keys = {'root_certificates': pem('ca.pem'), 'private_key': pem('client.key'), 'certificate_chain': pem('client.pem')}
    echoes(stubs.TestServiceStub(secure('mtls', **keys)))


def mutual_tls_without_certificate():
    expect(Status.UNAVAILABLE, lambda: echoes(stubs.TestServiceStub(secure('mtls', root_certificates=pem('ca.pem')))))


def unix_socket():
    echoes(stubs.TestServiceStub(grpc.insecure_channel('unix:' + endpoints['unix'])))


def concurrent_calls():
    def call(i):
        payload = os.urandom(i * 37)
        reply = main.Unary(pb.TestRequest(text=str(i), payload=payload), timeout=WAIT)
        equal((reply.text, reply.payload), (str(i), payload))
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        list(pool.map(call, range(300)))


def keepalive():
    options = [('grpc.keepalive_time_ms', 1000), ('grpc.keepalive_permit_without_calls', 1), ('grpc.http2.max_pings_without_data', 0)]
    stub = stubs.TestServiceStub(plain('plain', options))
    equal(len(list(stub.ServerStream(pb.TestRequest(count=25, delay_ms=100), timeout=WAIT))), 25)


def health():
    stub = health_pb2_grpc.HealthStub(plain('plain'))
    serving = health_pb2.HealthCheckResponse.SERVING
    equal(stub.Check(health_pb2.HealthCheckRequest(), timeout=WAIT).status, serving)
    expect(Status.NOT_FOUND, lambda: stub.Check(health_pb2.HealthCheckRequest(service='no.such.Service'), timeout=WAIT))
    watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=WAIT)
    equal(next(watch).status, serving)
    watch.cancel()


def reflects(pb2, stub):
    request = pb2.ServerReflectionRequest
    requests = [request(list_services='*'), request(file_containing_symbol='mesh.testing.v1.TestService'),
                request(file_containing_symbol='no.such.Symbol')]
    services, files, error = stub.ServerReflectionInfo(iter(requests), timeout=WAIT)
    assert 'mesh.testing.v1.TestService' in [service.name for service in services.list_services_response.service], services
    described = [descriptor_pb2.FileDescriptorProto.FromString(file) for file in files.file_descriptor_response.file_descriptor_proto]
    assert 'TestService' in [service.name for file in described for service in file.service], described
    equal(error.error_response.error_code, Status.NOT_FOUND.value[0])


def reflection_v1():
    reflects(reflection_v1_pb2, reflection_v1_pb2_grpc.ServerReflectionStub(plain('plain')))


def reflection_v1alpha():
    reflects(reflection_v1alpha_pb2, reflection_v1alpha_pb2_grpc.ServerReflectionStub(plain('plain')))


SCENARIOS = [
    unary, empty, server_stream, server_stream_empty, client_stream, duplex, large, too_large_for_server, too_large_for_client,
    deadline, deadline_in_stream, cancel_unary, cancel_server_stream, cancel_duplex, status_codes, status_after_replies, rich_error,
    metadata, metadata_with_error, unknown_method, gzip, gzip_stream, tls, tls_untrusted, mutual_tls, mutual_tls_without_certificate,
    unix_socket, concurrent_calls, keepalive, health, reflection_v1, reflection_v1alpha,
]

for scenario in SCENARIOS:
    result = {'scenario': scenario.__name__.replace('concurrent_calls', 'concurrent')}
    try:
        scenario()
        result['ok'] = True
    except Exception:
        result['ok'] = False
        result['error'] = traceback.format_exc()
    print(json.dumps(result), flush=True)
os._exit(0)
