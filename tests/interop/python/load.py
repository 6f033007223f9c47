"""The load program's half on grpcio's asyncio API. `server`: writes its port, ends with its input.
`client PORT SCENARIO SECONDS CONCURRENCY`: writes how many replies came in how many seconds."""
import asyncio
import json
import os
import sys
import threading
import time

import grpc
from mesh.testing.v1 import test_pb2 as pb
from mesh.testing.v1 import test_pb2_grpc as stubs

OPEN = [('grpc.max_receive_message_length', -1), ('grpc.max_send_message_length', -1)]
REQUESTS = {
    'unary': pb.TestRequest(text='a short text'),
    'stream': pb.TestRequest(text='a short text', count=10000),
    'payload_64k': pb.TestRequest(payload=b'\7' * 65536),
    'payload_1m': pb.TestRequest(payload=b'\7' * 1048576),
}


class Service(stubs.TestServiceServicer):
    async def Unary(self, request, context):
        return pb.TestReply(text=request.text, payload=request.payload)

    async def ServerStream(self, request, context):
        for index in range(request.count):
            yield pb.TestReply(text=request.text, payload=request.payload, index=index)


async def serve():
    server = grpc.aio.server(options=OPEN)
    stubs.add_TestServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port('127.0.0.1:0')
    await server.start()
    print(json.dumps({'plain': port}), flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    await server.wait_for_termination()


class State:
    stop = False
    count = 0


async def work(stub, scenario, state):
    """One call after the other until told to stop; counts replies."""
    request = REQUESTS[scenario]
    while not state.stop:
        if scenario != 'stream':
            await stub.Unary(request)
            state.count += 1
            continue
        call = stub.ServerStream(request)
        async for _ in call:
            state.count += 1
            if state.stop:
                call.cancel()
                return


async def measure(port, scenario, seconds, concurrency):
    async with grpc.aio.insecure_channel(f'127.0.0.1:{port}', options=OPEN) as channel:
        stub = stubs.TestServiceStub(channel)
        state = State()
        workers = [asyncio.ensure_future(work(stub, scenario, state)) for _ in range(concurrency)]
        await asyncio.sleep(seconds / 2)
        count, start = state.count, time.perf_counter()
        await asyncio.wait(workers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        result = {'count': state.count - count, 'seconds': time.perf_counter() - start}
        state.stop = True
        await asyncio.gather(*workers)
        print(json.dumps(result), flush=True)


if sys.argv[1] == 'server':
    asyncio.run(serve())
else:
    asyncio.run(measure(sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5])))
