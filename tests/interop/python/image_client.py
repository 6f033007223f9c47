"""Generates with a running mesh over grpcio. Argument: a JSON file {"grpc": address, "model": id, "preview_model": id or null}.
Writes one line of JSON for each scenario."""
import concurrent.futures
import hashlib
import json
import os
import sys
import traceback
import uuid

import grpc
from google.rpc import error_details_pb2, status_pb2
from mesh.common.v1 import work_pb2
from mesh.image.v1 import image_service_pb2 as pb
from mesh.image.v1 import image_service_pb2_grpc as stubs
import health_pb2
import health_pb2_grpc

Status = grpc.StatusCode
WAIT = 120
CHUNK = 64 * 1024

with open(sys.argv[1], encoding='utf-8') as file:
    settings = json.load(file)

channel = grpc.insecure_channel(settings['grpc'])
images = stubs.ImageServiceStub(channel)


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f'{actual!r:.300} instead of {expected!r:.300}')


def generate(timeout=WAIT, **request):
    return images.Generate(pb.GenerateRequest(**{'model': settings['model'], **request}), timeout=timeout)


class Drawing:
    """A call's events, checked for order and completeness."""

    def __init__(self, events):
        self.events = list(events)
        equal([event.sequence for event in self.events], list(range(1, len(self.events) + 1)))
        times = [event.elapsed_us for event in self.events]
        equal(times, sorted(times))
        equal(self.events[0].WhichOneof('event'), 'accepted')
        self.accepted = self.events[0].accepted
        self.files = {}
        self.completed = {}
        self.begun = {}
        self.ended = {}
        for at, event in enumerate(self.events):
            kind = event.WhichOneof('event')
            if kind in ('image', 'preview'):
                self.take(kind, getattr(event, kind), at)
            elif kind == 'completed':
                self.complete(event.completed, at)
            else:
                assert kind != 'failed', event
        equal(sorted(self.completed), list(range(len(self.accepted.seeds))))

    def take(self, kind, chunk, at):
        assert chunk.index not in self.completed, chunk.index
        assert 0 < len(chunk.data) <= CHUNK, len(chunk.data)
        data = self.files.setdefault((kind, chunk.index), b'')
        equal(chunk.offset_bytes, len(data))
        equal(chunk.mime_type != '', not data)
        if kind == 'preview':
            assert ('image', chunk.index) not in self.files, 'a preview after its image'
        self.files[kind, chunk.index] = data + chunk.data
        self.begun.setdefault((kind, chunk.index), at)
        if chunk.last:
            self.ended[kind, chunk.index] = at

    def complete(self, completed, at):
        equal(hashlib.sha256(self.image(completed.index)).digest(), completed.sha256)
        assert ('image', completed.index) in self.ended
        equal(completed.seed, self.accepted.seeds[completed.index])
        equal(completed.model, self.accepted.model)
        for timings in (completed.generate, completed.decode):
            assert timings.total_us >= timings.compute_us > 0 and timings.queue_us >= 0 and timings.batch_size >= 1, timings
        kind = completed.reproducibility
        assert kind.device_kind and kind.build and kind.numerics, kind
        self.completed[completed.index] = at

    def image(self, index):
        return self.files['image', index]


def draw(**request):
    return Drawing(generate(**request))


def details(error, message):
    [serialised] = [value for key, value in error.trailing_metadata() if key == 'grpc-status-details-bin']
    status = status_pb2.Status.FromString(serialised)
    equal((status.code, status.message), (error.code().value[0], error.details()))
    for detail in status.details:
        if detail.Is(message.DESCRIPTOR):
            detail.Unpack(message)
            return message
    raise AssertionError(f'no {message.DESCRIPTOR.name} in {status}')


def refused(code, **request):
    try:
        events = list(generate(**request))
    except grpc.RpcError as error:
        equal(error.code(), code)
        info = details(error, error_details_pb2.ErrorInfo())
        equal(info.domain, 'mesh')
        return error, info.reason
    raise AssertionError(f'{len(events)} events came')


def capabilities():
    answer = images.GetCapabilities(pb.GetCapabilitiesRequest(), timeout=WAIT)
    assert answer.max_count >= 1 and pb.IMAGE_FORMAT_PNG in answer.formats and answer.default_model, answer


def models():
    ids, token = [], ''
    while True:
        answer = images.ListModels(pb.ListModelsRequest(page_size=1, page_token=token), timeout=WAIT)
        ids += [model.model.id for model in answer.models]
        token = answer.next_page_token
        if not token:
            break
    assert settings['model'] in ids, ids


def generate_two():
    drawing = draw(prompt='a red apple', count=2, seeds=[7])
    equal(list(drawing.accepted.seeds), [7, 8])
    equal(drawing.accepted.model.id, settings['model'])
    assert drawing.image(0).startswith(b'\x89PNG') and drawing.image(0) != drawing.image(1)


def generate_alike():
    equal(draw(prompt='a red apple', count=2, seeds=[7]).image(1), draw(prompt='a red apple', seeds=[8]).image(0))


def as_they_are_made():
    drawing = draw(prompt='a red apple', count=6, seeds=[100])
    last = max(at for (kind, _), at in drawing.begun.items() if kind == 'image')
    assert min(drawing.completed.values()) < last, 'every image began before the first was completed'


def previews():
    if not settings['preview_model']:
        refused(Status.FAILED_PRECONDITION, prompt='x', preview=True)
        return
    drawing = draw(prompt='a red apple', count=2, seeds=[7], preview=True, model=settings['preview_model'])
    for index in range(2):
        assert drawing.ended['preview', index] < drawing.begun['image', index]


def formats():
    for kind, start in ((pb.IMAGE_FORMAT_PNG, b'\x89PNG'), (pb.IMAGE_FORMAT_JPEG, b'\xff\xd8\xff'), (pb.IMAGE_FORMAT_WEBP, b'RIFF')):
        assert draw(prompt='a red apple', seeds=[7], format=kind).image(0).startswith(start), kind


def replay():
    request = {'prompt': 'a red apple', 'seeds': [9], 'request_id': str(uuid.uuid4())}
    first, second = draw(**request), draw(**request)
    equal((first.accepted.replayed, second.accepted.replayed), (False, True))
    equal(second.accepted.request_id, request['request_id'])
    equal(first.image(0), second.image(0))


def cancel():
    call = generate(prompt='a red apple', count=16, seeds=[200])
    done = 0
    try:
        for event in call:
            if event.HasField('completed'):
                done += 1
                call.cancel()
        raise AssertionError('the call ended by itself')
    except grpc.RpcError as error:
        equal(error.code(), Status.CANCELLED)
    assert 0 < done < 16, done
    draw(prompt='a red apple', seeds=[7])


def deadline():
    try:
        list(generate(timeout=0.02, prompt='a red apple', count=64, seeds=[300]))
        raise AssertionError('the call ended by itself')
    except grpc.RpcError as error:
        equal(error.code(), Status.DEADLINE_EXCEEDED)
    draw(prompt='a red apple', seeds=[7])


def bad_fields():
    cases = [
        ({'prompt': ''}, 'prompt'), ({'prompt': 'a\0b'}, 'prompt'), ({'prompt': 'x' * 10000}, 'prompt'), ({'prompt': 'x', 'count': -1}, 'count'),
        ({'prompt': 'x', 'width_px': 7}, 'width_px'), ({'prompt': 'x', 'height_px': 100000}, 'height_px'),
        ({'prompt': 'x', 'guidance': float('nan')}, 'guidance'), ({'prompt': 'x', 'steps': 0}, 'steps'), ({'prompt': 'x', 'request_id': 'seven'}, 'request_id'),
    ]
    for request, field in cases:
        error, _ = refused(Status.INVALID_ARGUMENT, **request)
        named = [violation.field for violation in details(error, error_details_pb2.BadRequest()).field_violations]
        assert field in named, (field, named)


def unknown_names():
    equal(refused(Status.NOT_FOUND, prompt='x', model='dall-e-2')[1], 'MODEL_NOT_FOUND')
    equal(refused(Status.NOT_FOUND, prompt='x', loras=[work_pb2.Lora(name='lost', weight=1)])[1], 'LORA_NOT_FOUND')


def concurrent_calls():
    seeds = [400 + i for i in range(16)]
    with concurrent.futures.ThreadPoolExecutor(len(seeds)) as pool:
        together = list(pool.map(lambda seed: draw(prompt='a red apple', seeds=[seed]).image(0), seeds))
    equal(together[5], draw(prompt='a red apple', seeds=[seeds[5]]).image(0))
    equal(len(set(together)), len(seeds))


def healthy():
    request = health_pb2.HealthCheckRequest(service='mesh.image.v1.ImageService')
    equal(health_pb2_grpc.HealthStub(channel).Check(request, timeout=WAIT).status, health_pb2.HealthCheckResponse.SERVING)


SCENARIOS = {
    'capabilities': capabilities, 'models': models, 'generate': generate_two, 'generate_alike': generate_alike, 'as_they_are_made': as_they_are_made,
    'previews': previews, 'formats': formats, 'replay': replay, 'cancel': cancel, 'deadline': deadline, 'bad_fields': bad_fields,
    'unknown_names': unknown_names, 'concurrent': concurrent_calls, 'healthy': healthy,
}

for name, scenario in SCENARIOS.items():
    result = {'scenario': name}
    try:
        scenario()
        result['ok'] = True
    except Exception:
        result['ok'] = False
        result['error'] = traceback.format_exc()
    print(json.dumps(result), flush=True)
os._exit(0)
