#!/usr/bin/env python3
"""Holds recorded Slack messages against Slack's own SDK.

  python3 slack_blocks.py RECORD...

A record is what `sandbox --record FILE` writes; lines of other protocols are skipped. A message is wrong when it has a
member that `chat.postMessage` does not know, a block that the SDK does not know or does not accept, or metadata of another
shape.
"""

import inspect
import json
import sys

from slack_sdk.models.blocks import Block
from slack_sdk.models.metadata import Metadata
from slack_sdk.web import WebClient

MEMBERS = set(inspect.signature(WebClient.chat_postMessage).parameters) - {"self", "kwargs"}


def check(message):
    """The sentences that say what is wrong with a message; none when it is right."""
    wrong = [f"unknown member {name}" for name in sorted(set(message) - MEMBERS)]
    for number, block in enumerate(message.get("blocks", [])):
        try:
            parsed = Block.parse(block)
            if parsed is None:
                wrong.append(f"block {number}: unknown type {block.get('type')}")
                continue
            parsed.validate_json()
            unread = set(block) - set(parsed.to_dict())
            wrong.extend(f"block {number}: unknown member {name}" for name in sorted(unread))
        except Exception as error:  # the SDK has several kinds
            wrong.append(f"block {number}: {error}")
    if "metadata" in message:
        try:
            Metadata(**message["metadata"]).validate_json()
        except Exception as error:
            wrong.append(f"metadata: {error}")
    return wrong


def main(files):
    count, wrong = 0, 0
    for file in files:
        with open(file, encoding="utf-8") as lines:
            for at, line in enumerate(lines, 1):
                call = json.loads(line)
                if call.get("protocol") != "slack":
                    continue
                count += 1
                for sentence in check(call["request_body"]):
                    wrong += 1
                    print(f"{file}:{at}: {sentence}")
    print(f"{count} Slack messages, {wrong} things wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
