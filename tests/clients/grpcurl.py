#!/usr/bin/env python3
"""Stands in for grpcurl where that is not installed: the same arguments, by reflection alone, and the
same JSON. Knows what docs/api.md uses of it and no more.

    grpcurl.py -plaintext [-d JSON|@] [-max-time SECONDS] [-emit-defaults] HOST:PORT SERVICE/METHOD
    grpcurl.py -plaintext HOST:PORT list [SERVICE]
    grpcurl.py -plaintext HOST:PORT describe SYMBOL
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

# Real exit codes are those of gRPC plus this.
OFFSET = 64


def fail(words):
    sys.exit(f"grpcurl (stand-in): {words}")


def arguments_of(words):
    options = {"-d": "", "-max-time": None}
    flags = {"-plaintext": False, "-emit-defaults": False}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in flags:
            flags[option] = True
        elif option in options and rest:
            options[option] = rest.pop(0)
        else:
            fail(f"{option} is not known to it")
    if not flags["-plaintext"]:
        fail("there is no TLS yet: say -plaintext")
    if len(rest) < 2:
        fail("too few arguments")
    return options, flags, rest


def requests_of(text, kind, pool):
    """As many messages as there are JSON values, each when it comes."""
    decoder = json.JSONDecoder()
    if text != "@":
        chunks = [text]
    else:
        # Lines as they come, so that a stream can be kept open by whoever writes it.
        chunks = iter(sys.stdin.readline, "")
    waiting = ""
    for chunk in chunks:
        waiting += chunk
        while waiting.strip():
            try:
                value, end = decoder.raw_decode(waiting.lstrip())
            except json.JSONDecodeError:
                break
            waiting = waiting.lstrip()[end:]
            yield json_format.ParseDict(value, kind(), descriptor_pool=pool)
    if waiting.strip():
        fail(f"this is no JSON: {waiting}")


def show(message, flags, pool):
    text = json_format.MessageToJson(
        message,
        always_print_fields_with_no_presence=flags["-emit-defaults"],
        descriptor_pool=pool,
        indent=2,
        ensure_ascii=False,
    )
    print(text, flush=True)


def show_error(error, pool):
    camel = "".join(word.capitalize() for word in error.code().name.split("_"))
    print(f"ERROR:\n  Code: {camel}\n  Message: {error.details()}", file=sys.stderr)
    status = rpc_status.from_call(error)
    if status and status.details:
        print("  Details:", file=sys.stderr)
    for number, detail in enumerate(status.details if status else [], 1):
        try:
            text = json_format.MessageToJson(detail, descriptor_pool=pool, indent=2)
        # The server that would know it may be gone.
        except (TypeError, grpc.RpcError):
            text = json.dumps({"@type": detail.type_url, "@error": "is not recognized"})
        text = text.replace("\n", "\n    \t")
        print(f"  {number})\t{text}", file=sys.stderr)
    sys.exit(OFFSET + error.code().value[0])


def call(channel, pool, name, options, flags):
    service_name, _, method_name = name.rpartition("/" if "/" in name else ".")
    method = pool.FindServiceByName(service_name).methods_by_name[method_name]
    kinds = [message_factory.GetMessageClass(it) for it in (method.input_type, method.output_type)]
    path = f"/{service_name}/{method_name}"
    # The most general of the four serves all.
    invoke = channel.stream_stream(path, kinds[0].SerializeToString, kinds[1].FromString)
    messages = requests_of(options["-d"], kinds[0], pool)
    if not method.client_streaming:
        messages = iter([next(messages, kinds[0]())])
    timeout = options["-max-time"] and float(options["-max-time"])
    for answer in invoke(messages, timeout=timeout):
        show(answer, flags, pool)


def main():
    options, flags, (address, *words) = arguments_of(sys.argv[1:])
    channel = grpc.insecure_channel(address)
    try:
        # Where nobody listens, what is said of reflection would mislead.
        grpc.channel_ready_future(channel).result(timeout=10)
    except grpc.FutureTimeoutError:
        fail(f'Failed to dial target host "{address}"')
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = descriptor_pool.DescriptorPool(database)
    try:
        match words:
            case ["list"]:
                print("\n".join(sorted(database.get_services())))
            case ["list", service]:
                methods = pool.FindServiceByName(service).methods
                print("\n".join(sorted(method.full_name for method in methods)))
            case ["describe", symbol]:
                describe(pool, symbol)
            case [name]:
                call(channel, pool, name, options, flags)
            case _:
                fail(f"{' '.join(words)}: that is not known to it")
    except KeyError as error:
        fail(f"the server knows no {error}")
    except grpc.RpcError as error:
        show_error(error, pool)


def describe(pool, symbol):
    """Not in grpcurl's words, but what they are about."""
    message = pool.FindMessageTypeByName(symbol)
    print(f"{symbol} is a message:\nmessage {message.name} {{")
    for field in message.fields:
        print(f"  {field.name} = {field.number};")
    print("}")


if __name__ == "__main__":
    main()
