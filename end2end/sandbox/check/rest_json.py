"""Holds a recorded restJson1 exchange, as it was on the wire, against the model of its operation.

The URI, the query, the headers and the body together are the input; status, headers and body the
answer. Each is read into the members that the model names, and checked as the other protocols are.
"""

import json
import re
from urllib.parse import parse_qsl, unquote, urlsplit

# Errors that any operation may answer with, whatever its model says, and their HTTP status.
# https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html
COMMON_ERRORS = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InternalFailure": 500,
    "MissingAuthenticationTokenException": 403,
    "SerializationException": 400,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
}
ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TRUTH = {"true": True, "false": False}


def problems(operation, call, check):
    """Yields (part, path, problem); `check` compares a value with a shape."""
    wire = call.get("wire")
    if wire is None:
        yield "request", ".", "was not recorded as it was on the wire"
        return
    found = []
    value = request(operation, wire, found)
    if value is not None:
        found += checked(operation.input_shape, value, check)
    for path, problem in found:
        yield "request", path, problem
    if wire["answer"] is None or call["forged"]:
        return  # the connection was cut, or a test chose the words of the answer
    found = []
    if call["error"] is None:
        answer(operation, call["status"], wire["answer"], found, check)
    else:
        error(operation, call, wire["answer"], found, check)
    for path, problem in found:
        yield "response", path, problem


def checked(shape, value, check):
    if shape is not None:
        return list(check(shape, value))
    return [(".", "has members, but the model has none")] if value else []


def request(operation, wire, found):
    """The input that a request is, or None if it is not one of the operation at all."""
    if wire["method"] != operation.http["method"]:
        found.append((".", f"is a {wire['method']}, expected {operation.http['method']}"))
    uri = urlsplit(wire["uri"])
    labels = bind(operation.http["requestUri"].partition("?")[0], uri.path)
    if labels is None:
        found.append((".", f"is of {uri.path}, expected {operation.http['requestUri']}"))
        return None
    query = {}
    for name, text in parse_qsl(uri.query, keep_blank_values=True):
        query.setdefault(name, []).append(text)
    value, body_members = {}, {}
    for member, shape in (operation.input_shape.members if operation.input_shape else {}).items():
        name = shape.serialization.get("name", member)
        location = shape.serialization.get("location")
        if location == "uri":
            if name in labels:
                value[member] = labels.pop(name)
        elif location == "querystring":
            if name in query:
                value[member] = from_text(shape, query.pop(name))
        elif location is None:
            body_members[name] = (member, shape)
    for name in [*labels, *query]:
        found.append((".", f"has the unknown parameter {name}"))
    for name, member in body(wire["body"], found).items():
        put(value, body_members, name, member, found, "")
    return value


def bind(template, path):
    """What stands in a path for each {…} of its template, or None if they do not fit."""
    wanted, given = template.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    labels = {}
    for left, right in zip(wanted, given):
        if left.startswith("{"):
            if not right:
                return None
            labels[left.strip("{}+")] = unquote(right)
        elif left != right:
            return None
    return labels


def from_text(shape, texts):
    """A value of the query in the type that the model gives it; what cannot be one stays text."""
    if shape.type_name == "list":
        return [from_text(shape.member, [text]) for text in texts]
    text = texts[-1]
    if shape.type_name in ("integer", "long"):
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    if shape.type_name == "boolean":
        return TRUTH.get(text, text)
    return text


def body(text, found):
    """The members of a JSON body; an empty one has none."""
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        found.append((".", "has a body that is no JSON object"))
        return {}
    return value


def put(into, members, name, value, found, path):
    """Puts a member of the wire under the name that it has in the model."""
    if name in members:
        member, shape = members[name]
        into[member] = named(shape, value, found, f"{path}.{member}")
    else:
        # Also where the model has a member of this name, which is another on the wire.
        found.append((path or ".", f"has the unknown member {name}"))


def named(shape, value, found, path):
    """A value with its members named as in the model, and its times as numbers."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        members = {
            each.serialization.get("name", name): (name, each)
            for name, each in shape.members.items()
        }
        result = {}
        for name, member in value.items():
            put(result, members, name, member, found, path)
        return result
    if kind == "list" and isinstance(value, list):
        return [named(shape.member, each, found, f"{path}[{n}]") for n, each in enumerate(value)]
    if kind == "map" and isinstance(value, dict):
        return {key: named(shape.value, each, found, f"{path}.{key}") for key, each in value.items()}
    if kind == "timestamp" and shape.serialization.get("timestampFormat") == "iso8601":
        if not (isinstance(value, str) and ISO_8601.fullmatch(value)):
            found.append((path, f"is {value!r}, expected a time as 2026-03-02T09:00:00Z"))
        return 0
    return value


def answer(operation, status, wire, found, check):
    """Finds what is wrong with an answer that is no error."""
    expected = operation.http.get("responseCode", 200)
    if status != expected:
        found.append((".", f"has the status {status}, expected {expected}"))
    shape = operation.output_shape
    members = body(wire["body"], found)
    if wire["body"] and "application/json" not in wire["headers"].get("content-type", ""):
        found.append((".", "has a body that its headers do not call JSON"))
    if shape is None:
        found += checked(None, members, check)
        return
    found += checked(shape, named(shape, members, found, ""), check)


def error(operation, call, wire, found, check):
    """Finds what is wrong with an answer that is an error: its name is in a header."""
    text = wire["headers"].get("x-amzn-errortype", "")
    name = text.partition(":")[0].rpartition("#")[2]
    if not name:
        found.append(("x-amzn-errortype", "is missing"))
        return
    members = body(wire["body"], found)
    shape = next((each for each in operation.error_shapes if each.name == name), None)
    if shape is not None:
        expected = shape.metadata.get("error", {}).get("httpStatusCode", 400)
        value = named(shape, members, found, "")
        for member, each in shape.members.items():
            header = each.serialization.get("name", member).lower()
            if each.serialization.get("location") == "header" and header in wire["headers"]:
                value[member] = wire["headers"][header]
        found += checked(shape, value, check)
    elif name in COMMON_ERRORS:
        expected = COMMON_ERRORS[name]
    else:
        found.append(("x-amzn-errortype", f"is {name}, which {operation.name} does not have"))
        return
    if call["status"] != expected:
        found.append((".", f"is {name} with status {call['status']}, expected {expected}"))
