"""The check reads the bytes of a CBOR call, and finds what is wrong in them.

    python3 -m unittest discover -s end2end/sandbox/check
"""

import base64
import unittest

import aws_models
import cbor2

NINE = 1772442000  # date -u -d 2026-03-02T09:00:00 +%s


def time(seconds):
    return cbor2.CBORTag(1, seconds)


REQUEST = {
    "MetricDataQueries": [
        {
            "Id": "errors",
            "ReturnData": True,
            "MetricStat": {
                "Metric": {"Namespace": "Acme", "MetricName": "Errors"},
                "Period": 60,
                "Stat": "Sum",
            },
        }
    ],
    "StartTime": time(NINE),
    "EndTime": time(NINE + 60.5),
}
RESPONSE = {
    "MetricDataResults": [
        {"Id": "errors", "Timestamps": [time(NINE)], "Values": [4.0], "StatusCode": "Complete"}
    ]
}
REFUSED = {"__type": "com.amazonaws.cloudwatch#InvalidNextToken", "message": "no such page"}


def call(request=None, response=None, **members):
    def in_base64(value):
        body = value if isinstance(value, bytes) else cbor2.dumps(value)
        return base64.b64encode(body).decode()

    return {
        "protocol": "smithy-rpc-v2-cbor",
        "service": "cloudwatch",
        "operation": "GetMetricData",
        "request": {},
        "request_bytes": in_base64(REQUEST if request is None else request),
        "status": 200,
        "forged": False,
        "error": None,
        "response": {},
        "response_bytes": in_base64(RESPONSE if response is None else response),
        **members,
    }


class CborCheck(unittest.TestCase):
    def problems(self, *arguments, **members):
        return list(aws_models.Checker().problems(call(*arguments, **members)))

    def assert_one(self, problems, words):
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(words, problems[0])

    def test_right_bytes_have_no_problems(self):
        self.assertEqual(self.problems(), [])
        refused = {"status": 400, "error": "InvalidNextToken"}
        self.assertEqual(self.problems(response=REFUSED, **refused), [])

    def test_a_time_that_is_a_bare_number(self):
        found = self.problems(request={**REQUEST, "StartTime": NINE})
        self.assert_one(found, "request: .StartTime is an integer, expected a time")
        result = {**RESPONSE["MetricDataResults"][0], "Timestamps": [float(NINE)]}
        response = {"MetricDataResults": [result]}
        found = self.problems(response=response)
        self.assert_one(found, "response: .MetricDataResults[0].Timestamps[0] is a number")

    def test_a_time_in_words(self):
        request = {**REQUEST, "EndTime": "2026-03-02T09:00:00Z"}
        self.assert_one(self.problems(request=request), ".EndTime is a string, expected a time")

    def test_an_unknown_member_and_a_missing_one(self):
        request = {name: value for name, value in REQUEST.items() if name != "EndTime"}
        self.assert_one(self.problems(request=request), "lacks the required member EndTime")
        found = self.problems(request={**REQUEST, "Until": time(NINE)})
        self.assert_one(found, "has the unknown member Until")

    def test_a_value_outside_an_enumeration(self):
        found = self.problems(request={**REQUEST, "ScanBy": "Sideways"})
        self.assert_one(found, "'Sideways', not one of TimestampDescending")

    def test_text_is_not_bytes_and_bytes_are_no_text(self):
        found = self.problems(request={**REQUEST, "NextToken": b"page-1"})
        self.assert_one(found, ".NextToken is bytes, expected a string")

    def test_other_tags_are_no_part_of_the_protocol(self):
        found = self.problems(request={**REQUEST, "NextToken": cbor2.CBORTag(9999, "page-1")})
        self.assert_one(found, ".NextToken is a CBORTag, expected a string")

    def test_bytes_that_are_no_cbor_or_no_object(self):
        self.assert_one(self.problems(request=b"\xbf\x61"), "request: is no CBOR")
        self.assert_one(self.problems(response=[1]), "response: . is a list, expected an object")

    def test_a_call_without_its_bytes(self):
        self.assert_one(self.problems(request_bytes=None), "recorded without its bytes")

    def test_an_error_that_the_operation_does_not_have(self):
        response = {"__type": "com.amazonaws.cloudwatch#LimitExceededFault", "message": "too many"}
        found = self.problems(response=response, status=400, error="LimitExceededFault")
        self.assert_one(found, "LimitExceededFault, which GetMetricData does not have")

    def test_a_protocol_that_the_service_does_not_speak(self):
        found = self.problems(service="ecr", operation="ListImages")
        self.assert_one(found, "came as smithy-rpc-v2-cbor, but ecr speaks json")


if __name__ == "__main__":
    unittest.main()
