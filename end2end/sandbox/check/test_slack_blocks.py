"""The checker of Slack messages finds what is wrong."""

import unittest

from slack_blocks import check

GOOD = {
    "channel": "#deploys",
    "text": "hello",
    "metadata": {"event_type": "notice", "event_payload": {"id": "1"}},
    "blocks": [
        {"type": "header", "text": {"type": "plain_text", "text": "hello"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*a*"}]},
    ],
}


class SlackBlocks(unittest.TestCase):
    def test_a_good_message_is_good(self):
        self.assertEqual(check(GOOD), [])

    def test_what_slack_does_not_know_is_named(self):
        self.assertEqual(check({**GOOD, "chanel": "x"}), ["unknown member chanel"])
        self.assertTrue(check({**GOOD, "blocks": [{"type": "headline"}]}))

    def test_limits_hold(self):
        long = {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}
        self.assertTrue(check({**GOOD, "blocks": [long]}))
        many = {"type": "section", "fields": [{"type": "mrkdwn", "text": "a"}] * 11}
        self.assertTrue(check({**GOOD, "blocks": [many]}))


if __name__ == "__main__":
    unittest.main()
