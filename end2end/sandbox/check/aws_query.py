"""Reads recorded awsQuery traffic by the service models: form parameters and XML answers.

What the sandbox understood of a request is not what is checked, but what was on the wire: the
record has both bodies as text. Each is read strictly by its shape into the values that
`aws_models.check` then holds against the model; what has no place in the shape is a problem.
"""

from urllib.parse import parse_qsl
from xml.etree import ElementTree

# Errors of any operation of a service that speaks awsQuery, and their HTTP status.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/CommonErrors.html
COMMON_ERRORS = {
    "AccessDenied": 403,
    "IncompleteSignature": 400,
    "InternalFailure": 500,
    "InvalidAction": 400,
    "MalformedInput": 400,
    "MissingAuthenticationToken": 403,
    "ServiceUnavailable": 503,
    "Throttling": 400,
    "ValidationError": 400,
}


class Unreadable(Exception):
    """Text that cannot be read as the shape says; its words are (path, problem)."""

    def __init__(self, path, problem):
        super().__init__(path, problem)
        self.problem = (path or ".", problem)


def plain(shape, text, path):
    """A value of a shape without members, from its text."""
    name = shape.type_name
    try:
        if name in ("integer", "long"):
            return int(text)
        if name in ("float", "double"):
            return float(text)
        if name == "timestamp":
            if "T" not in text or not text.endswith("Z"):
                raise ValueError
            return 0.0
        if name == "boolean":
            return {"true": True, "false": False}[text]
    except (ValueError, KeyError):
        raise Unreadable(path, f"is {text!r}, expected {name} ({shape.name})") from None
    return text


def form(model, operation, text):
    """The request as values; its `Action` and `Version` are checked here."""
    tree = {}
    parameters = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    names = [name for name, _ in parameters]
    if len(set(names)) != len(names):
        raise Unreadable("", "has a parameter twice")
    for name, value in parameters:
        *parents, last = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise Unreadable(f".{name}", "is below a value")
        place[last] = value
    if tree.pop("Action", None) != operation.name:
        raise Unreadable(".Action", f"is not {operation.name}")
    version = model.metadata["apiVersion"]
    if tree.pop("Version", None) != version:
        raise Unreadable(".Version", f"is not {version}")
    return from_tree(operation.input_shape, tree, "")


def from_tree(shape, tree, path):
    if shape.type_name == "structure":
        if not isinstance(tree, dict):
            raise Unreadable(path, f"is a value, expected members ({shape.name})")
        return {
            name: from_tree(shape.members[name], below, f"{path}.{name}")
            if name in shape.members
            else below
            for name, below in tree.items()
        }
    if shape.type_name == "list":
        if tree == "":
            return []
        if not isinstance(tree, dict) or set(tree) != {"member"}:
            raise Unreadable(path, f"is no list of member ({shape.name})")
        items = tree["member"]
        if items == "":
            return []
        if not isinstance(items, dict):
            raise Unreadable(path, f"has a member without a position ({shape.name})")
        if sorted(items) != sorted(str(number) for number in range(1, len(items) + 1)):
            raise Unreadable(path, "has positions other than 1, 2, 3 and so on")
        ordered = sorted(items.items(), key=lambda item: int(item[0]))
        return [from_tree(shape.member, item, f"{path}[{index}]") for index, item in ordered]
    if isinstance(tree, dict):
        raise Unreadable(path, f"has members, expected {shape.type_name} ({shape.name})")
    return plain(shape, tree, path)


def parsed(model, text):
    """The root element, whose namespace and those below it must be the service's."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise Unreadable("", f"is no XML: {error}") from None
    namespace = "{" + model.metadata["xmlNamespace"] + "}"
    for element in root.iter():
        if not element.tag.startswith(namespace):
            raise Unreadable("", f"has {element.tag} outside of the namespace of the service")
        element.tag = element.tag.removeprefix(namespace)
    return root


def answer(model, operation, text):
    """The answer as values. Its frame is checked here: names and the request id."""
    root = parsed(model, text)
    if root.tag != f"{operation.name}Response":
        raise Unreadable("", f"is a {root.tag}, expected {operation.name}Response")
    result, metadata = root.find(f"{operation.name}Result"), root.find("ResponseMetadata")
    if metadata is None or not metadata.findtext("RequestId"):
        raise Unreadable(".ResponseMetadata", "has no RequestId")
    if operation.output_shape is None:
        return {}
    if result is None:
        raise Unreadable("", f"has no {operation.name}Result")
    return from_xml(operation.output_shape, result, "")


def from_xml(shape, element, path):
    children = list(element)
    if shape.type_name == "structure":
        names = [child.tag for child in children]
        if len(set(names)) != len(names):
            raise Unreadable(path, "has a member twice")
        return {
            child.tag: from_xml(shape.members[child.tag], child, f"{path}.{child.tag}")
            if child.tag in shape.members
            else (child.text or "")
            for child in children
        }
    if shape.type_name == "list":
        if any(child.tag != "member" for child in children):
            raise Unreadable(path, f"is no list of member ({shape.name})")
        return [
            from_xml(shape.member, child, f"{path}[{index}]")
            for index, child in enumerate(children)
        ]
    if children:
        raise Unreadable(path, f"has members, expected {shape.type_name} ({shape.name})")
    return plain(shape, element.text or "", path)


def error_problems(model, operation, call):
    """Yields (path, problem) for an answer that is an error."""
    root = parsed(model, call["response_body"])
    code, kind = root.findtext("Error/Code"), root.findtext("Error/Type")
    if root.tag != "ErrorResponse" or not code:
        yield ".", "is no ErrorResponse with a code"
        return
    if not root.findtext("RequestId"):
        yield ".RequestId", "is missing"
    expected_kind = "Receiver" if call["status"] >= 500 else "Sender"
    if kind != expected_kind:
        yield ".Error.Type", f"is {kind}, expected {expected_kind}"
    codes = {each.error_code: each for each in operation.error_shapes}
    if code in codes:
        expected = codes[code].metadata.get("error", {}).get("httpStatusCode", 400)
    elif code in COMMON_ERRORS:
        expected = COMMON_ERRORS[code]
    else:
        yield ".Error.Code", f"is {code}, which {operation.name} does not have"
        return
    if call["status"] != expected:
        yield ".Error.Code", f"is {code} with status {call['status']}, expected {expected}"


def problems(model, operation, call, check):
    """Yields (which, path, problem) of a call; `check` is `aws_models.check`."""
    try:
        values = form(model, operation, call["request_body"])
        found = list(check(operation.input_shape, values))
    except Unreadable as error:
        found = [error.problem]
    for path, problem in found:
        yield "request", path, problem
    if call.get("response_body") is None or call["forged"]:
        return  # nothing was answered, or a test chose the words
    try:
        if call["error"] is not None:
            found = list(error_problems(model, operation, call))
        else:
            values = answer(model, operation, call["response_body"])
            shape = operation.output_shape
            # botocore wants times as numbers, which is what `plain` has made of them.
            found = [] if shape is None else list(check(shape, values))
    except Unreadable as error:
        found = [error.problem]
    for path, problem in found:
        yield "response", path, problem
