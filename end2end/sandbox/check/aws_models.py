#!/usr/bin/env python3
"""Holds recorded AWS calls against the service models that AWS publishes with botocore.

    python3 aws_models.py FILE...

A FILE is what the sandbox writes when started with `--record FILE`: one JSON object a line. Every
request is checked against its operation's input shape; every answer against its output shape, or
against the errors that the model gives for the operation. An unknown member, a missing required
one, a wrong type or a value outside an enumeration is a problem; so are files without AWS calls.
Each problem is one line of output, and makes the exit status 1.
"""

import json
import sys
from collections import Counter

import botocore.session

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
    """The JSON type of a value, in words."""
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
    return "a list" if isinstance(value, list) else "an object"


EXPECTED = {
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


def check(shape, value, path=""):
    """Yields (path, problem) for each place where the value is not of the shape."""
    where = path or "."
    expected = EXPECTED[shape.type_name]
    if kind(value) not in expected:
        yield where, f"is {kind(value)}, expected {expected[0]} ({shape.name})"
    elif shape.type_name == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                yield where, f"lacks the required member {name} ({shape.name})"
        for name, member in value.items():
            if name in shape.members:
                yield from check(shape.members[name], member, f"{path}.{name}")
            else:
                yield where, f"has the unknown member {name} ({shape.name})"
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from check(shape.member, item, f"{path}[{index}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from check(shape.key, key, f"{path}.{key}")
            yield from check(shape.value, item, f"{path}.{key}")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield where, f"is {value!r}, not one of {', '.join(shape.enum)}"


def check_error(operation, call):
    """Yields (path, problem) for an answer that is an error."""
    response = call["response"]
    name = (response.get("__type") or "").rpartition("#")[2]
    if not name:
        yield ".__type", "is missing"
        return
    shape = next((each for each in operation.error_shapes if each.name == name), None)
    if shape is not None:
        expected = shape.metadata.get("error", {}).get("httpStatusCode", 400)
        # Every error carries a name and a sentence, also where its model has no members.
        bare = ("__type", "message")
        yield from check(shape, {key: value for key, value in response.items() if key not in bare})
        if kind(response.get("message", "")) != "a string":
            yield ".message", f"is {kind(response['message'])}, expected a string"
    elif name in COMMON_ERRORS:
        expected = COMMON_ERRORS[name]
    else:
        yield ".__type", f"is {name}, which {operation.name} does not have"
        return
    if call["status"] != expected:
        yield ".__type", f"is {name} with status {call['status']}, expected {expected}"


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
        if call["protocol"] == "rest-json":
            for part, path, problem in rest_json.problems(operation, call, check):
                yield f"{title} {part}: {path} {problem}"
            return
        for path, problem in self.shape_problems(operation.input_shape, call["request"]):
            yield f"{title} request: {path} {problem}"
        if call["response"] is None:
            return  # the connection was cut: nothing was answered
        if call["forged"]:
            return  # a test chose the words of this answer
        if call["error"] is not None:
            found = check_error(operation, call)
        else:
            found = self.shape_problems(operation.output_shape, call["response"])
        for path, problem in found:
            yield f"{title} response: {path} {problem}"

    @staticmethod
    def shape_problems(shape, value):
        if shape is not None:
            yield from check(shape, value)
        elif value not in (None, {}):
            yield ".", "has members, but the model has none"


def main(*paths):
    checker = Checker()
    found = 0
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                call = json.loads(line)
                if call["protocol"] == "github":
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
