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
