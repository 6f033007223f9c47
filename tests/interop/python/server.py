"""The test service on grpcio. Arguments: a folder with certificates, a path for the Unix socket, optionally `gzip` to compress replies."""
import concurrent.futures
import json
import os
import sys
import threading

import grpc
from google.rpc import error_details_pb2, status_pb2
from mesh.testing.v1 import test_pb2 as pb
from mesh.testing.v1 import test_pb2_grpc as stubs

certificates, socket = sys.argv[1:3]
compression = grpc.Compression.Gzip if 'gzip' in sys.argv[3:] else None
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Record:
    """How one call ended, for whoever asks."""

    def __init__(self):
        self.ended = threading.Event()
        self.reply = None


class Call:
    """What every handler does around its own work."""

    records = {}
    lock = threading.Lock()

    def __init__(self, context):
        self.context = context
        self.metadata = context.invocation_metadata()
        self.started = False
        self.over = threading.Event()
        self.id = next((entry.value for entry in self.metadata if entry.key == 'x-call-id'), None)
        remaining = context.time_remaining()
        self.deadline_ms = 0 if remaining is None or remaining > 1e8 else int(remaining * 1000)
        self.finished = False
        context.add_callback(self.over.set)

    @classmethod
    def record(cls, call_id):
        with cls.lock:
            return cls.records.setdefault(call_id, Record())

    def copies(self, names):
        return [(entry.key, entry.value) for name in names for entry in self.metadata if entry.key == name]

    def send_headers(self, request):
        if request.echo_headers and not self.started:
            self.started = True
            self.context.send_initial_metadata(self.copies(request.echo_headers))

    def wait(self, request):
        """Waits as the request says; false when the call is over."""
        return not self.over.wait(request.delay_ms / 1000) if request.delay_ms else self.context.is_active()

    def end(self, cancelled=False):
        if self.id and not self.finished:
            self.finished = True
            record = self.record(self.id)
            record.reply = pb.OutcomeReply(cancelled=cancelled or not self.context.is_active(), deadline_ms=self.deadline_ms)
            record.ended.set()

    def finish(self, request):
        self.end()
        trailers = self.copies(request.echo_trailers)
        if request.bad_fields:
            bad = error_details_pb2.BadRequest()
            for field, description in request.bad_fields.items():
                bad.field_violations.add(field=field, description=description)
            status = status_pb2.Status(code=request.status, message=request.detail)
            status.details.add().Pack(bad)
            trailers.append(('grpc-status-details-bin', status.SerializeToString()))
        self.context.set_trailing_metadata(trailers)
        if request.status:
            self.context.abort(CODES[request.status], request.detail)


def reply(request, index, received):
    payload = bytes(request.reply_bytes) if request.reply_bytes else request.payload
    return pb.TestReply(text=request.text, payload=payload, index=index, received_bytes=received)


class Service(stubs.TestServiceServicer):
    def Unary(self, request, context):
        call = Call(context)
        call.send_headers(request)
        call.wait(request)
        call.finish(request)
        return reply(request, 0, len(request.payload))

    def ServerStream(self, request, context):
        call = Call(context)
        call.send_headers(request)
        try:
            for index in range(request.count):
                if not call.wait(request):
                    return
                yield reply(request, index, len(request.payload))
            call.finish(request)
        finally:
            call.end(cancelled=True)

    def ClientStream(self, request_iterator, context):
        call = Call(context)
        texts, received = [], 0
        for request in request_iterator:
            texts.append(request.text)
            received += len(request.payload)
        call.end()
        return pb.TestReply(text=''.join(texts), index=len(texts), received_bytes=received)

    def Duplex(self, request_iterator, context):
        call = Call(context)
        index = received = 0
        request = pb.TestRequest()
        try:
            for request in request_iterator:
                received += len(request.payload)
                call.send_headers(request)
                for _ in range(max(request.count, 1)):
                    if not call.wait(request):
                        return
                    yield reply(request, index, received)
                    index += 1
            call.finish(request)
        finally:
            call.end(cancelled=True)

    def Outcome(self, request, context):
        record = Call.record(request.call_id)
        while not record.ended.wait(0.1):
            if not context.is_active():
                return pb.OutcomeReply()
        return record.reply


def pem(name):
    with open(os.path.join(certificates, name), 'rb') as file:
        return file.read()


options = [('grpc.max_receive_message_length', -1), ('grpc.max_send_message_length', -1), ('grpc.so_reuseport', 0)]
server = grpc.server(concurrent.futures.ThreadPoolExecutor(64), options=options, compression=compression)
stubs.add_TestServiceServicer_to_server(Service(), server)
keys = [(pem('server.key'), pem('server.pem'))]
ports = {
    'plain': server.add_insecure_port('127.0.0.1:0'),
    'tls': server.add_secure_port('127.0.0.1:0', grpc.ssl_server_credentials(keys)),
    'mtls': server.add_secure_port('127.0.0.1:0', grpc.ssl_server_credentials(keys, pem('ca.pem'), require_client_auth=True)),
}
server.add_insecure_port('unix:' + socket)
server.start()
print(json.dumps(ports), flush=True)
sys.stdin.read()
server.stop(None)
os._exit(0)
