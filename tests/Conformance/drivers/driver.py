# grpcio as a client of our server. The same commands as driver.js, one JSON object a line, except that it serves nothing.
# Message classes are made from the descriptors that the test passes, so no protoc plugin is needed.
import base64
import json
import sys
import threading
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

pool = descriptor_pool.DescriptorPool()
channels = {}
running = {}
lock = threading.Lock()


def message_class(descriptor):
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def load(a):
    for encoded in a["files"]:
        pool.AddSerializedFile(base64.b64decode(encoded))
    return {}


def channel_for(a):
    options = [("grpc.enable_retries", 0)]
    if a.get("maxReceive"):
        options.append(("grpc.max_receive_message_length", a["maxReceive"]))
    if a.get("maxSend"):
        options.append(("grpc.max_send_message_length", a["maxSend"]))
    if a.get("alone"):
        options.append(("vigil.alone", a["id"]))
    key = (a["address"], tuple(options))
    with lock:
        if key not in channels:
            channels[key] = grpc.insecure_channel(a["address"], options=options)
        return channels[key]


def metadata_of(pairs):
    return [(k, base64.b64decode(v) if k.endswith("-bin") else v) for k, v in pairs or []]


def pairs_of(metadata):
    return [[k, base64.b64encode(v).decode() if isinstance(v, bytes) else v] for k, v in metadata or []]


def revive(o):
    if isinstance(o, list):
        return [revive(x) for x in o]
    if isinstance(o, dict):
        # The JSON form of protobuf takes bytes as base64.
        return o["$b"] if "$b" in o else {k: revive(v) for k, v in o.items()}
    return o


def plain(message):
    out = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if isinstance(value, bytes):
            out[field.name] = {"$len": len(value)} if len(value) > 65536 else {"$b": base64.b64encode(value).decode()}
        elif field.label == field.LABEL_REPEATED:
            out[field.name] = [base64.b64encode(v).decode() if isinstance(v, bytes) else plain(v) for v in value]
        elif field.message_type is not None:
            out[field.name] = plain(value) if message.HasField(field.name) else None
        else:
            out[field.name] = value
    return out


class Requests:
    """The requests of a call; stays open after the last one until told, where the test wants it so."""

    def __init__(self, a, cls):
        self.a, self.cls, self.end = a, cls, threading.Event()
        if not a.get("keepOpen"):
            self.end.set()

    def __iter__(self):
        for m in self.a.get("messages") or []:
            yield json_format.ParseDict(revive(m), self.cls())
        repeat = self.a.get("repeat")
        if repeat:
            for i in range(repeat["count"]):
                yield self.cls(count=i, payload=bytes(repeat["size"]))
        self.end.wait()


def call(a):
    method = pool.FindServiceByName(a["service"]).methods_by_name[a["method"]]
    ask, answer = message_class(method.input_type), message_class(method.output_type)
    channel = channel_for(a)
    kind = ("stream" if method.client_streaming else "unary") + "_" + ("stream" if method.server_streaming else "unary")
    stub = getattr(channel, kind)(
        "/%s/%s" % (a["service"], a["method"]), request_serializer=ask.SerializeToString, response_deserializer=answer.FromString)
    requests = Requests(a, ask)
    result = {"count": 0, "bytes": 0, "headers": [], "first": []}
    options = {"metadata": metadata_of(a.get("metadata")), "timeout": a["deadlineMs"] / 1000 if a.get("deadlineMs") else None}
    if a.get("compress"):
        options["compression"] = grpc.Compression.Gzip
    body = iter(requests) if method.client_streaming else next(iter(requests), ask())

    def take(message):
        result["count"] += 1
        if "payload" in message.DESCRIPTOR.fields_by_name:
            result["bytes"] += len(message.payload)
        if len(result["first"]) < 3:
            result["first"].append(plain(message))
        result["last"] = message

    if method.server_streaming:
        c = stub(body, **options)
    else:
        c = stub.future(body, **options)
    resume = threading.Event()
    running[a["name"]] = (c, resume)
    if a.get("cancelAfterMs"):
        threading.Timer(a["cancelAfterMs"] / 1000, c.cancel).start()
    try:
        if method.server_streaming:
            for message in c:
                take(message)
                if a.get("cancelAfter") == result["count"]:
                    c.cancel()
                if a.get("pauseAfter") == result["count"]:
                    resume.wait()
                if a.get("stopAfter") == result["count"]:
                    requests.end.set()
        else:
            take(c.result())
    except (grpc.RpcError, grpc.FutureCancelledError):
        pass
    requests.end.set()
    running.pop(a["name"], None)
    try:
        result["headers"] = pairs_of(c.initial_metadata())
    except grpc.RpcError:
        pass
    result["code"] = c.code().value[0]
    result["details"] = c.details()
    result["trailers"] = pairs_of(c.trailing_metadata())
    if "last" in result:
        result["last"] = plain(result["last"])
    return result


def cancel(a):
    running[a["name"]][0].cancel()
    return {}


def resume(a):
    running[a["name"]][1].set()
    return {}


def version(a):
    return {"version": "grpcio %s, Python %s" % (grpc.__version__, sys.version.split()[0])}


commands = {"load": load, "call": call, "cancel": cancel, "resume": resume, "version": version}
out = threading.Lock()


def run(a):
    try:
        answer = {"id": a["id"], "ok": commands[a["do"]](a)}
    except Exception as e:  # told to the test, which fails with it
        answer = {"id": a["id"], "error": repr(e)}
    with out:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


for line in sys.stdin:
    threading.Thread(target=run, args=(json.loads(line),), daemon=True).start()
