"""The check of awsQuery traffic finds what is wrong: each sample is right but for one thing.

    python3 -m unittest discover -s end2end/sandbox/check
"""

import unittest

import aws_models

LISTENER = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/acme/1/2"
GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web-a/1"
NAMESPACE = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"
ACTION = "DefaultActions.member.1"
REQUEST = "&".join(
    [
        "Action=ModifyListener",
        "Version=2015-12-01",
        f"ListenerArn={LISTENER}",
        f"{ACTION}.Type=forward",
        f"{ACTION}.ForwardConfig.TargetGroups.member.1.TargetGroupArn={GROUP}",
        f"{ACTION}.ForwardConfig.TargetGroups.member.1.Weight=10",
        f"{ACTION}.ForwardConfig.TargetGroupStickinessConfig.Enabled=false",
    ]
)
ANSWER = (
    f'<ModifyListenerResponse xmlns="{NAMESPACE}"><ModifyListenerResult><Listeners><member>'
    f"<ListenerArn>{LISTENER}</ListenerArn><Port>443</Port><Protocol>HTTPS</Protocol>"
    "<DefaultActions><member><Type>forward</Type></member></DefaultActions>"
    "</member></Listeners></ModifyListenerResult>"
    "<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></ModifyListenerResponse>"
)
ERROR = (
    f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type>'
    "<Code>ListenerNotFound</Code><Message>not found</Message></Error>"
    "<RequestId>1</RequestId></ErrorResponse>"
)
CALL = {
    "protocol": "query",
    "service": "elbv2",
    "operation": "ModifyListener",
    "request": {},
    "request_body": REQUEST,
    "status": 200,
    "forged": False,
    "error": None,
    "response": {},
    "response_body": ANSWER,
}
REFUSED = {**CALL, "status": 400, "error": "ListenerNotFound", "response_body": ERROR}


class QueryCheck(unittest.TestCase):
    def setUp(self):
        self.checker = aws_models.Checker()

    def assert_one(self, call, words):
        found = list(self.checker.problems(call))
        self.assertEqual(len(found), 1, found)
        self.assertIn(words, found[0])

    def assert_request(self, old, new, words):
        self.assertIn(old, REQUEST)
        self.assert_one({**CALL, "request_body": REQUEST.replace(old, new)}, words)

    def assert_answer(self, old, new, words, call=CALL):
        text = call["response_body"]
        self.assertIn(old, text)
        self.assert_one({**call, "response_body": text.replace(old, new)}, words)

    def test_right_samples_have_no_problems(self):
        for call in (CALL, REFUSED):
            self.assertEqual(list(self.checker.problems(call)), [])

    def test_an_unknown_parameter(self):
        self.assert_request("Enabled=false", "On=false", "has the unknown member On")

    def test_a_missing_required_parameter(self):
        self.assert_request(f"&ListenerArn={LISTENER}", "", "lacks the required member ListenerArn")

    def test_a_parameter_given_twice(self):
        self.assert_request("Version=2015-12-01", "Version=2015-12-01&Port=1&Port=2", "twice")

    def test_values_of_the_wrong_type(self):
        self.assert_request("Weight=10", "Weight=heavy", "is 'heavy', expected integer")
        self.assert_request("Enabled=false", "Enabled=no", "is 'no', expected boolean")
        self.assert_request("Type=forward", "Type=backward", "'backward', not one of forward")

    def test_a_list_with_a_gap_or_without_positions(self):
        self.assert_request("DefaultActions.member.1", "DefaultActions.member.2", "positions")
        words = "no list of member"
        self.assert_request("DefaultActions.member.1", "DefaultActions.entry.1", words)

    def test_another_action_or_version(self):
        self.assert_request("Action=ModifyListener", "Action=ModifyRule", ".Action is not")
        self.assert_request("2015-12-01", "2012-06-01", ".Version is not 2015-12-01")

    def test_an_answer_that_is_no_xml_or_of_another_operation(self):
        self.assert_one({**CALL, "response_body": "{"}, "is no XML")
        words = "expected ModifyListenerResponse"
        self.assert_answer("ModifyListenerResponse", "ModifyRuleResponse", words)
        self.assert_answer("ModifyListenerResult", "Result", "has no ModifyListenerResult")

    def test_an_answer_in_no_namespace(self):
        self.assert_answer(f' xmlns="{NAMESPACE}"', "", "outside of the namespace")

    def test_an_answer_without_a_request_id(self):
        self.assert_answer("<RequestId>1</RequestId>", "", "has no RequestId")

    def test_an_unknown_member_of_an_answer(self):
        self.assert_answer("Protocol>", "Proto>", "has the unknown member Proto")

    def test_an_answer_with_a_wrong_type(self):
        self.assert_answer("<Port>443", "<Port>https", "is 'https', expected integer")
        self.assert_answer("<Protocol>HTTPS", "<Protocol>GOPHER", "'GOPHER', not one of HTTP")

    def test_an_answer_whose_list_has_other_elements(self):
        self.assert_answer("<Type>forward</Type></member>", "</member><item/>", "no list of member")

    def test_an_error_that_the_operation_does_not_have(self):
        words = "which ModifyListener does not have"
        self.assert_answer("ListenerNotFound", "RuleNotFound", words, REFUSED)

    def test_the_name_of_an_exception_is_no_error_code(self):
        name = "ListenerNotFoundException"
        self.assert_answer("ListenerNotFound", name, "does not have", REFUSED)

    def test_an_error_with_the_wrong_status_or_type(self):
        found = list(self.checker.problems({**REFUSED, "status": 404}))
        self.assertEqual(len(found), 1, found)
        self.assertIn("status 404, expected 400", found[0])
        self.assert_answer("Sender", "Receiver", "is Receiver, expected Sender", REFUSED)

    def test_common_errors_belong_to_every_operation(self):
        throttled = ERROR.replace("ListenerNotFound", "Throttling")
        self.assertEqual(list(self.checker.problems({**REFUSED, "response_body": throttled})), [])

    def test_a_cut_connection_is_no_answer(self):
        cut = {key: value for key, value in CALL.items() if key != "response_body"}
        self.assertEqual(list(self.checker.problems({**cut, "response": None})), [])


if __name__ == "__main__":
    unittest.main()
