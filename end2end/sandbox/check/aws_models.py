#!/usr/bin/env python3
"""Holds recorded AWS calls against the service models that AWS publishes with botocore.

    python3 aws_models.py FILE...

A FILE is what the sandbox writes when started with `--record FILE`: one JSON object a line. Every
request is checked against its operation's input shape; every answer against its output shape, or
against the errors that the model gives for the operation. An unknown member, a missing required
one, a wrong type or a value outside an enumeration is a problem; so are files without AWS calls. Of
CBOR the bytes themselves are read, by a library that the sandbox does not use.
Each problem is one line of output, and makes the exit status 1.
"""

import base64
import datetime
import json
import sys
from collections import Counter

import botocore.session
import cbor2

import aws_query
import rest_json

# Errors that any operation may answer with, whatever its model says, and their HTTP status.
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html, and the errors
# of the JSON protocol itself.
COMMON_ERRORS = {
    "AccessDeniedException": 400,
    "InternalFailure": 500,
    "ServiceUnavailable": 503,
    "ThrottlingException": 400,
    "ExpiredTokenException": 403,
    "IncompleteSignature": 403,
    "MissingAuthenticationTokenException": 400,
    "SerializationException": 400,
    "UnknownOperationException": 400,
    "UnrecognizedClientException": 400,
    "ValidationException": 400,
}


def kind(value):
    """The type of a value, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, bytes):
        return "bytes"
    if isinstance(value, datetime.datetime):
        return "a time"
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    return f"a {type(value).__name__}"


JSON = {
    "structure": ("an object",),
    "map": ("an object",),
    "list": ("a list",),
    "string": ("a string",),
    "character": ("a string",),
    "blob": ("a string",),
    "boolean": ("a boolean",),
    "integer": ("an integer",),
    "long": ("an integer",),
    "float": ("a number", "an integer"),
    "double": ("a number", "an integer"),
    "timestamp": ("a number", "an integer"),  # the JSON protocols write epoch seconds
}
CBOR = {**JSON, "blob": ("bytes",), "timestamp": ("a time",)}
CBOR_PROTOCOL = "smithy-rpc-v2-cbor"


class Undecodable(Exception):
    """Bytes that are not what their protocol says."""


def decoded(text):
    """The value of a CBOR body in base64. A time (tag 1) becomes a datetime, any other tag its own type."""
    if text is None:
        raise Undecodable("was recorded without its bytes")
    body = base64.b64decode(text)
    if not body:
        return {}
    try:
        value = cbor2.loads(body)
    except (cbor2.CBORDecodeError, ValueError) as error:
        raise Undecodable(f"is no CBOR: {error}") from error
    return value


def check(shape, value, path="", types=JSON):
    """Yields (path, problem) for each place where the value is not of the shape."""
    where = path or "."
    expected = types[shape.type_name]
    if kind(value) not in expected:
        yield where, f"is {kind(value)}, expected {expected[0]} ({shape.name})"
    elif shape.type_name == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                yield where, f"lacks the required member {name} ({shape.name})"
        for name, member in value.items():
            if name in shape.members:
                yield from check(shape.members[name], member, f"{path}.{name}", types)
            else:
                yield where, f"has the unknown member {name} ({shape.name})"
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from check(shape.member, item, f"{path}[{index}]", types)
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from check(shape.key, key, f"{path}.{key}", types)
            yield from check(shape.value, item, f"{path}.{key}", types)
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield where, f"is {value!r}, not one of {', '.join(shape.enum)}"


def check_error(operation, status, response, types):
    """Yields (path, problem) for an answer that is an error."""
    name = (response.get("__type") or "").rpartition("#")[2]
    if not name:
        yield ".__type", "is missing"
        return
    shape = next((each for each in operation.error_shapes if each.name == name), None)
    if shape is not None:
        expected = shape.metadata.get("error", {}).get("httpStatusCode", 400)
        # Every error carries a name and a sentence, also where its model has no members.
        bare = ("__type", "message")
        rest = {key: value for key, value in response.items() if key not in bare}
        yield from check(shape, rest, types=types)
        if kind(response.get("message", "")) != "a string":
            yield ".message", f"is {kind(response['message'])}, expected a string"
    elif name in COMMON_ERRORS:
        expected = COMMON_ERRORS[name]
    else:
        yield ".__type", f"is {name}, which {operation.name} does not have"
        return
    if status != expected:
        yield ".__type", f"is {name} with status {status}, expected {expected}"


class Checker:
    """Checks call after call and counts what it has seen."""

    def __init__(self):
        self.session = botocore.session.get_session()
        self.models = {}
        self.seen = Counter()

    def model(self, service):
        if service not in self.models:
            self.models[service] = self.session.get_service_model(service)
        return self.models[service]

    def problems(self, call):
        """Yields the problems of one recorded call, as sentences."""
        service, name = call["service"], call["operation"]
        title = f"{service}.{name}"
        if call["protocol"] == "unknown":
            yield f"{name}: is of no protocol that the sandbox speaks"
            return
        if service is None or name not in self.model(service).operation_names:
            yield f"{title}: there is no such operation"
            return
        self.seen[title] += 1
        operation = self.model(service).operation_model(name)
        metadata = self.model(service).metadata
        spoken = metadata.get("protocols") or [metadata["protocol"]]
        if call["protocol"] not in spoken:
            yield f"{title}: came as {call['protocol']}, but {service} speaks {', '.join(spoken)}"
            return
        if call["protocol"] == "query":
            model = self.model(service)
            for which, path, problem in aws_query.problems(model, operation, call, check):
                yield f"{title} {which}: {path} {problem}"
            return
        if call["protocol"] == "rest-json":
            for part, path, problem in rest_json.problems(operation, call, check):
                yield f"{title} {part}: {path} {problem}"
            return
        binary = call["protocol"] == CBOR_PROTOCOL
        types = CBOR if binary else JSON
        try:
            request = decoded(call.get("request_bytes")) if binary else call["request"]
        except Undecodable as problem:
            yield f"{title} request: {problem}"
            return
        for path, problem in self.shape_problems(operation.input_shape, request, types):
            yield f"{title} request: {path} {problem}"
        if call["response"] is None:
            return  # the connection was cut: nothing was answered
        if call["forged"]:
            return  # a test chose the words of this answer
        try:
            response = decoded(call.get("response_bytes")) if binary else call["response"]
        except Undecodable as problem:
            yield f"{title} response: {problem}"
            return
        if kind(response) != "an object":
            found = [(".", f"is {kind(response)}, expected an object")]
        elif call["error"] is not None:
            found = check_error(operation, call["status"], response, types)
        else:
            found = self.shape_problems(operation.output_shape, response, types)
        for path, problem in found:
            yield f"{title} response: {path} {problem}"

    @staticmethod
    def shape_problems(shape, value, types):
        if shape is not None:
            yield from check(shape, value, types=types)
        elif value not in (None, {}):
            yield ".", "has members, but the model has none"


# What else is recorded, for other checkers.
OTHERS = ("github", "slack")


def main(*paths):
    checker = Checker()
    found = 0
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                call = json.loads(line)
                if call["protocol"] in OTHERS:
                    continue
                for problem in checker.problems(call):
                    found += 1
                    print(f"{path}:{number}: {problem}")
    calls, operations = sum(checker.seen.values()), len(checker.seen)
    if calls == 0 and found == 0:
        print("no AWS calls")
        return 1
    print(f"{calls} calls of {operations} operations checked, {found} problems")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
