"""Trains with a running trainer over grpcio. Argument: a JSON file {"grpc": address, "short": specification of an autoencoder of a few steps,
"long": one of very many steps}. Writes one line of JSON for each scenario."""
import json
import os
import sys
import traceback
import uuid

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import json_format, struct_pb2
from google.rpc import error_details_pb2, status_pb2
from mesh.trainer.v1 import trainer_service_pb2 as pb
from mesh.trainer.v1 import trainer_service_pb2_grpc as stubs

WAIT = 120
CHUNK = 64 * 1024

with open(sys.argv[1], encoding='utf-8') as file:
    settings = json.load(file)

channel = grpc.insecure_channel(settings['grpc'])
trainer = stubs.TrainerServiceStub(channel)
operations = operations_pb2_grpc.OperationsStub(channel)


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f'{actual!r:.300} instead of {expected!r:.300}')


def submit(specification, kind='autoencoder', **more):
    request = pb.SubmitJobRequest(kind=kind, specification=json_format.Parse(specification, struct_pb2.Struct()), **more)
    return trainer.SubmitJob(request, timeout=WAIT)


def watch(job, **more):
    return trainer.WatchJob(pb.WatchJobRequest(id=job, **more), timeout=WAIT)


def submit_and_watch():
    request_id = str(uuid.uuid4())
    first = submit(settings['short'], request_id=request_id)
    equal(submit(settings['short'], request_id=request_id).job.id, first.job.id)
    events = list(watch(first.job.id, pictures=True))
    numbers = [event.number for event in events if event.number]
    equal(numbers, list(range(1, len(numbers) + 1)))
    states = [event.state.state for event in events if event.WhichOneof('event') == 'state']
    equal(states, [pb.JOB_STATE_QUEUED, pb.JOB_STATE_RUNNING, pb.JOB_STATE_SUCCEEDED])
    steps = [event.progress for event in events if event.WhichOneof('event') == 'progress']
    equal([progress.step for progress in steps], list(range(1, steps[-1].total_steps + 1)))
    assert all(progress.losses['loss'] > 0 for progress in steps)
    picture = b''
    for event in events:
        if event.WhichOneof('event') == 'chunk':
            assert 0 < len(event.chunk.data) <= CHUNK
            picture = event.chunk.data if event.chunk.offset == 0 else picture + event.chunk.data
    equal(picture[:8], b'\x89PNG\r\n\x1a\n')
    equal([event.number for event in watch(first.job.id, first_event=3)], numbers[2:])
    job = trainer.GetJob(pb.GetJobRequest(id=first.job.id), timeout=WAIT).job
    equal((job.state, job.result), (pb.JOB_STATE_SUCCEEDED, f'jobs/{job.id}/result'))
    kept = trainer.ListCheckpoints(pb.ListCheckpointsRequest(id=job.id), timeout=WAIT).checkpoints
    assert kept[0].final and len(kept[0].sha256) == 64 and not kept[0].fault, kept


def cancel():
    job = submit(settings['long']).job.id
    call = watch(job)
    for event in call:
        if event.WhichOneof('event') == 'progress':
            break
    trainer.CancelJob(pb.CancelJobRequest(id=job), timeout=WAIT)
    last = list(call)[-1]
    equal(last.state.state, pb.JOB_STATE_CANCELLED)
    listed = trainer.ListJobs(pb.ListJobsRequest(states=[pb.JOB_STATE_CANCELLED]), timeout=WAIT).jobs
    assert job in [one.id for one in listed], listed


def operation():
    job = submit(settings['short']).job.id
    done = operations.WaitOperation(operations_pb2.WaitOperationRequest(name=f'jobs/{job}'), timeout=WAIT)
    assert done.done
    unpacked = pb.Job()
    assert done.response.Unpack(unpacked)
    equal((unpacked.id, unpacked.state), (job, pb.JOB_STATE_SUCCEEDED))


def bad_fields():
    try:
        submit('{"data": "../elsewhere", "train": {"images": 4, "rate": -1}}')
    except grpc.RpcError as fault:
        equal(fault.code(), grpc.StatusCode.INVALID_ARGUMENT)
        trailer = dict(fault.trailing_metadata())['grpc-status-details-bin']
        details = [detail for detail in status_pb2.Status.FromString(trailer).details if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR)]
        bad = error_details_pb2.BadRequest()
        assert details[0].Unpack(bad)
        fields = {violation.field for violation in bad.field_violations}
        assert {'specification.data', 'specification.train.rate'} <= fields, fields
        return
    raise AssertionError('it was taken')


def not_good_enough():
    job = submit(settings['short']).job.id
    list(watch(job))
    try:
        trainer.PromoteCheckpoint(pb.PromoteCheckpointRequest(
            job_id=job, evaluation_job_id=job, model='emoji', thresholds=[pb.Threshold(measure='unseen.caption_accuracy', at_least=0.5)]), timeout=WAIT)
    except grpc.RpcError as fault:
        assert fault.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION), fault
        return
    raise AssertionError('it was promoted')


SCENARIOS = {'submit_and_watch': submit_and_watch, 'cancel': cancel, 'operation': operation, 'bad_fields': bad_fields, 'not_good_enough': not_good_enough}

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
