"""The check finds what is wrong: each sample here is right but for one thing.

    python3 -m unittest discover -s end2end/sandbox/check
"""

import contextlib
import copy
import io
import json
import tempfile
import unittest

import aws_models

GET = {
    "protocol": "json",
    "service": "codedeploy",
    "operation": "GetDeployment",
    "request": {"deploymentId": "d-ABCDEFGHI"},
    "status": 200,
    "forged": False,
    "error": None,
    "response": {
        "deploymentInfo": {
            "deploymentId": "d-ABCDEFGHI",
            "status": "InProgress",
            "createTime": 1772442000.5,
            "deploymentOverview": {"Pending": 1},
            "instanceTerminationWaitTimeStarted": False,
            "deploymentStatusMessages": [],
        }
    },
}
REFUSED = {
    **GET,
    "status": 400,
    "error": "DeploymentDoesNotExistException",
    "response": {
        "__type": "DeploymentDoesNotExistException",
        "message": "The deployment d-ABCDEFGHI could not be found",
    },
}
REGISTER = {
    "protocol": "json",
    "service": "ecs",
    "operation": "RegisterTaskDefinition",
    "request": {"family": "web", "containerDefinitions": [{"name": "app"}]},
    "status": 200,
    "forged": False,
    "error": None,
    "response": {"taskDefinition": {"family": "web", "revision": 1}},
}


def rest(service, operation, method, uri, body, status, answer, error=None, **headers):
    """A recorded exchange of restJson1."""
    headers = {name.replace("_", "-"): text for name, text in headers.items()}
    if error is not None:
        headers["x-amzn-errortype"] = error
    return {
        "protocol": "rest-json",
        "service": service,
        "operation": operation,
        "request": {},
        "status": status,
        "forged": False,
        "error": error,
        "response": answer,
        "wire": {
            "method": method,
            "uri": uri,
            "body": "" if body is None else json.dumps(body),
            "answer": {
                "headers": {"content-type": "application/json", **headers},
                "body": "" if answer is None else json.dumps(answer),
            },
        },
    }


UPDATE_ALIAS = rest(
    "lambda",
    "UpdateAlias",
    "PUT",
    "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aweb/aliases/live",
    {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}},
    200,
    {"Name": "live", "FunctionVersion": "1", "RevisionId": "6f1d4b0e"},
)
NO_FUNCTION = rest(
    "lambda",
    "GetFunction",
    "GET",
    "/2015-03-31/functions/none?Qualifier=live",
    None,
    404,
    {"Type": "User", "Message": "Function not found"},
    error="ResourceNotFoundException",
)
LIST_VERSIONS = rest(
    "lambda",
    "ListVersionsByFunction",
    "GET",
    "/2015-03-31/functions/web/versions?MaxItems=2&Marker=abc",
    None,
    200,
    {"Versions": [{"FunctionName": "web", "Version": "$LATEST"}], "NextMarker": "def"},
)
GET_STAGE = rest(
    "apigatewayv2",
    "GetStage",
    "GET",
    "/v2/apis/a1b2c3/stages/%24default",
    None,
    200,
    {"stageName": "$default", "deploymentId": "abc123", "createdDate": "2026-03-02T09:00:00Z"},
)
UNDEPLOY = rest(
    "apigateway", "DeleteDeployment", "DELETE", "/restapis/a1b2c3/deployments/abc123", None, 202, None
)
TAG = rest(
    "lambda", "TagResource", "POST", "/2017-03-31/tags/web", {"Tags": {"team": "rag"}}, 204, None
)
THROTTLED = rest(
    "apigateway",
    "GetStage",
    "GET",
    "/restapis/a1b2c3/stages/prod",
    None,
    429,
    {"message": "Too Many Requests"},
    error="TooManyRequestsException",
    retry_after="1",
)


class ModelCheck(unittest.TestCase):
    def setUp(self):
        self.checker = aws_models.Checker()

    def problems(self, call, *edits):
        """The problems of a call in which each (path, value) has been put; DELETE removes."""
        call = copy.deepcopy(call)
        for path, value in edits:
            *parents, last = path
            place = call
            for parent in parents:
                place = place[parent]
            if value is DELETE:
                del place[last]
            else:
                place[last] = value
        return list(self.checker.problems(call))

    def assert_one(self, problems, words):
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(words, problems[0])

    def test_right_samples_have_no_problems(self):
        for call in (GET, REFUSED, REGISTER):
            self.assertEqual(self.problems(call), [])

    def test_an_unknown_member_of_a_request(self):
        found = self.problems(GET, (("request", "id"), "x"))
        self.assert_one(found, "request: . has the unknown member id")

    def test_a_missing_required_member(self):
        found = self.problems(REGISTER, (("request", "family"), DELETE))
        self.assert_one(found, "lacks the required member family")

    def test_a_null_is_not_a_required_member(self):
        found = self.problems(REGISTER, (("request", "family"), None))
        self.assertTrue(any("lacks the required member" in each for each in found), found)

    def test_an_unknown_member_deep_in_an_answer(self):
        found = self.problems(
            GET, (("response", "deploymentInfo", "deploymentOverview", "Done"), 1)
        )
        self.assert_one(found, ".deploymentInfo.deploymentOverview has the unknown member Done")

    def test_a_value_outside_an_enumeration(self):
        found = self.problems(GET, (("response", "deploymentInfo", "status"), "Resting"))
        self.assert_one(found, "'Resting', not one of Created, Queued")

    def test_an_enumeration_inside_a_list(self):
        found = self.problems(REGISTER, (("request", "requiresCompatibilities"), ["MOON"]))
        self.assert_one(found, ".requiresCompatibilities[0] is 'MOON'")

    def test_wrong_types(self):
        info = ("response", "deploymentInfo")
        for member, value, words in [
            ("createTime", "2026-03-02T09:00:00Z", "is a string, expected a number"),
            ("deploymentId", 7, "is an integer, expected a string"),
            ("instanceTerminationWaitTimeStarted", 1, "is an integer, expected a boolean"),
            ("deploymentOverview", [], "is a list, expected an object"),
            ("deploymentStatusMessages", {}, "is an object, expected a list"),
            ("description", None, "is null, expected a string"),
        ]:
            found = self.problems(GET, ((*info, member), value))
            self.assert_one(found, words)
        found = self.problems(REGISTER, (("response", "taskDefinition", "revision"), True))
        self.assert_one(found, "is a boolean, expected an integer")
        found = self.problems(REGISTER, (("response", "taskDefinition", "revision"), 1.5))
        self.assert_one(found, "is a number, expected an integer")

    def test_an_error_that_the_operation_does_not_have(self):
        found = self.problems(REFUSED, (("response", "__type"), "DeploymentLimitExceededException"))
        self.assert_one(found, "which GetDeployment does not have")

    def test_an_error_without_a_name(self):
        self.assert_one(self.problems(REFUSED, (("response", "__type"), DELETE)), "is missing")

    def test_an_error_with_the_wrong_status(self):
        self.assert_one(self.problems(REFUSED, (("status",), 500)), "status 500, expected 400")

    def test_an_error_with_an_unknown_member(self):
        found = self.problems(REFUSED, (("response", "deploymentId"), "d-ABCDEFGHI"))
        self.assert_one(found, "has the unknown member deploymentId")

    def test_an_error_whose_message_is_no_sentence(self):
        found = self.problems(REFUSED, (("response", "message"), 7))
        self.assert_one(found, ".message is an integer, expected a string")

    def test_common_errors_belong_to_every_operation(self):
        throttled = {"__type": "ThrottlingException", "message": "Rate exceeded"}
        self.assertEqual(self.problems(REFUSED, (("response",), throttled)), [])

    def test_an_operation_that_does_not_exist(self):
        found = self.problems(GET, (("operation",), "GetCoffee"))
        self.assert_one(found, "there is no such operation")

    def test_a_request_of_no_known_protocol(self):
        unknown = {**GET, "protocol": "unknown", "service": None, "operation": "POST /metrics"}
        self.assert_one(self.problems(unknown), "POST /metrics: is of no protocol")

    def test_members_where_the_model_has_none(self):
        found = self.problems(
            GET,
            (("operation",), "ContinueDeployment"),
            (("response",), {"status": "Succeeded"}),
        )
        self.assert_one(found, "has members, but the model has none")

    def test_a_cut_connection_is_no_answer(self):
        self.assertEqual(self.problems(GET, (("response",), None)), [])

    def test_of_a_forged_answer_only_the_request_is_checked(self):
        forged = (("forged",), True)
        wrong = (("response", "deploymentInfo", "status"), "Resting")
        self.assertEqual(self.problems(GET, forged, wrong), [])
        self.assert_one(self.problems(GET, forged, (("request", "id"), 1)), "unknown member id")


class RestCheck(unittest.TestCase):
    setUp = ModelCheck.setUp
    problems = ModelCheck.problems
    assert_one = ModelCheck.assert_one

    def test_right_samples_have_no_problems(self):
        for call in (UPDATE_ALIAS, NO_FUNCTION, LIST_VERSIONS, GET_STAGE, UNDEPLOY, THROTTLED):
            self.assertEqual(self.problems(call), [])

    def put(self, call, part, member, value):
        """The call with a member of its body changed; DELETE takes it away."""
        call = copy.deepcopy(call)
        place = call["wire"] if part == "request" else call["wire"]["answer"]
        body = json.loads(place["body"])
        if value is DELETE:
            del body[member]
        else:
            body[member] = value
        place["body"] = json.dumps(body)
        return call

    def test_the_method_and_the_path_are_those_of_the_operation(self):
        found = self.problems(UPDATE_ALIAS, (("wire", "method"), "POST"))
        self.assert_one(found, "request: . is a POST, expected PUT")
        found = self.problems(UPDATE_ALIAS, (("wire", "uri"), "/2015-03-31/functions/web/alias/live"))
        self.assert_one(found, "expected /2015-03-31/functions/{FunctionName}/aliases/{Name}")
        found = self.problems(UPDATE_ALIAS, (("wire", "uri"), "/2015-03-31/functions//aliases/live"))
        self.assert_one(found, "request: . is of /2015-03-31/functions//aliases/live")

    def test_an_unknown_parameter_and_one_of_the_wrong_type(self):
        path = "/2015-03-31/functions/web/versions"
        found = self.problems(LIST_VERSIONS, (("wire", "uri"), f"{path}?Page=2"))
        self.assert_one(found, "has the unknown parameter Page")
        found = self.problems(LIST_VERSIONS, (("wire", "uri"), f"{path}?MaxItems=few"))
        self.assert_one(found, ".MaxItems is a string, expected an integer")

    def test_an_unknown_member_of_a_body(self):
        found = self.problems(self.put(UPDATE_ALIAS, "request", "Version", "2"))
        self.assert_one(found, "request: . has the unknown member Version")
        found = self.problems(self.put(UPDATE_ALIAS, "response", "Weight", 1))
        self.assert_one(found, "response: . has the unknown member Weight")

    def test_a_member_has_the_name_of_the_wire_rather_than_that_of_the_model(self):
        found = self.problems(self.put(GET_STAGE, "response", "DeploymentId", "abc123"))
        self.assert_one(found, "response: . has the unknown member DeploymentId")

    def test_wrong_types_deep_in_a_body(self):
        weights = {"AdditionalVersionWeights": {"2": "0.1"}}
        found = self.problems(self.put(UPDATE_ALIAS, "request", "RoutingConfig", weights))
        self.assert_one(found, ".RoutingConfig.AdditionalVersionWeights.2 is a string")

    def test_a_time_is_written_as_the_service_does(self):
        found = self.problems(self.put(GET_STAGE, "response", "createdDate", 1772442000))
        self.assert_one(found, ".CreatedDate is 1772442000, expected a time as")

    def test_a_missing_required_member(self):
        self.assertEqual(self.problems(TAG), [])
        found = self.problems(self.put(TAG, "request", "Tags", DELETE))
        self.assert_one(found, "request: . lacks the required member Tags")

    def test_a_body_that_is_no_json(self):
        found = self.problems(UPDATE_ALIAS, (("wire", "body"), "FunctionVersion=2"))
        self.assert_one(found, "request: . has a body that is no JSON object")

    def test_the_status_of_success_is_the_models(self):
        self.assert_one(self.problems(UNDEPLOY, (("status",), 200)), "has the status 200, expected 202")

    def test_an_error_has_its_name_in_a_header_and_its_own_status(self):
        header = ("wire", "answer", "headers", "x-amzn-errortype")
        found = self.problems(NO_FUNCTION, (header, "PreconditionFailedException"))
        self.assertIn("which GetFunction does not have", found[0])
        self.assert_one(self.problems(NO_FUNCTION, (header, "")), "x-amzn-errortype is missing")
        self.assert_one(self.problems(NO_FUNCTION, (("status",), 400)), "status 400, expected 404")

    def test_the_sentence_of_an_error_has_the_models_capital_letter(self):
        found = self.problems(self.put(NO_FUNCTION, "response", "message", "not found"))
        self.assert_one(found, "response: . has the unknown member message")

    def test_a_cut_connection_is_no_answer_but_its_request_is_checked(self):
        cut = (("wire", "answer"), None)
        self.assertEqual(self.problems(UPDATE_ALIAS, cut), [])
        self.assert_one(self.problems(UPDATE_ALIAS, cut, (("wire", "method"), "GET")), "is a GET")

    def test_what_was_not_recorded_on_the_wire_is_a_problem(self):
        self.assert_one(self.problems(UPDATE_ALIAS, (("wire",), None)), "was not recorded")


class FileCheck(unittest.TestCase):
    def run_on(self, *calls):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            for call in calls:
                file.write(json.dumps(call) + "\n")
            file.flush()
            with contextlib.redirect_stdout(io.StringIO()) as out:
                status = aws_models.main(file.name)
            return status, out.getvalue()

    def test_a_file_of_right_calls_passes(self):
        status, text = self.run_on(GET, REFUSED, REGISTER)
        self.assertEqual(status, 0)
        self.assertIn("3 calls of 2 operations", text)

    def test_one_wrong_call_fails_and_is_named_by_its_line(self):
        status, text = self.run_on(GET, {**GET, "request": {}})
        self.assertEqual(status, 1)
        self.assertIn(":2: codedeploy.GetDeployment request", text)

    def test_several_files_are_checked_as_one(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as empty:
            with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
                file.write(json.dumps(GET) + "\n")
                file.flush()
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    self.assertEqual(aws_models.main(empty.name, file.name), 0)
        self.assertIn("1 calls of 1 operations", out.getvalue())

    def test_a_file_without_aws_calls_fails(self):
        self.assertEqual(self.run_on({"protocol": "github"})[0], 1)


DELETE = object()

if __name__ == "__main__":
    unittest.main()
