"""What a notification says, by protocol: a mail is read by people, https by the chat client."""

import json
from collections.abc import Iterator
from typing import NamedTuple

SUBJECT_LENGTH = 100
FACT_LENGTH = 4096
# The chat client shows no message with a longer title or description.
TITLE_LENGTH = 250
DESCRIPTION_LENGTH = 8000
CHAT_FACT_LENGTH = 2048


class Notice(NamedTuple):
    """One notification before it is put into words.

    `facts` are names and one line each, `source` is what it tells of: its kind and its ARN or
    name. Notices of one `thread` belong together in a chat.
    """

    identity: str
    thread: str
    event_type: str
    project: str
    heading: str
    facts: tuple[tuple[str, str], ...]
    log_title: str
    log: tuple[str, ...]
    next_steps: tuple[str, ...]
    source: tuple[str, str]


def subject(line: str, *, repeated: bool) -> str:
    """One line of at most 100 printable ASCII characters, as SNS takes it."""
    line = f"{'Repeated: ' if repeated else ''}{line}"
    printable = "".join(each if " " <= each <= "~" else "?" for each in line)
    return printable[:SUBJECT_LENGTH].rstrip()


def messages(notice: Notice, *, title: str) -> dict[str, str]:
    """Return the message by protocol."""
    text = _text(notice)
    return {"default": text, "email": text, "https": _chat(notice, title)}


def _facts(notice: Notice, length: int) -> Iterator[tuple[str, str]]:
    return ((name, value[:length]) for name, value in notice.facts)


def _text(notice: Notice) -> str:
    lines = [notice.heading, ""]
    lines += [f"{name}: {value}" for name, value in _facts(notice, FACT_LENGTH)]
    if notice.log:
        lines += ["", f"{notice.log_title}:", *(f"  {line}" for line in notice.log)]
    lines += ["", "Next:", *(f"  {step}" for step in notice.next_steps)]
    kind, name = notice.source
    return "\n".join([*lines, "", f"{kind}: {name}", ""])


def _chat(notice: Notice, title: str) -> str:
    """Custom notification of the AWS chat client, schema 1.0, which renders Markdown."""
    lines = [f"*{name}:* {value}" for name, value in _facts(notice, CHAT_FACT_LENGTH)]
    if notice.log:
        fenced = "\n".join(notice.log).replace("```", "'''")
        lines += [f"*{notice.log_title}:*", f"```\n{fenced}\n```"]
    document = {
        "version": "1.0",
        "source": "custom",
        "id": notice.identity,
        "content": {
            "textType": "client-markdown",
            "title": title[:TITLE_LENGTH],
            "description": "\n".join(lines)[:DESCRIPTION_LENGTH],
            "nextSteps": [f"`{step}`" for step in notice.next_steps],
        },
        "metadata": {
            "threadId": notice.thread,
            "summary": title[:TITLE_LENGTH],
            "eventType": notice.event_type,
            "relatedResources": [notice.source[1]],
            "additionalContext": {"project": notice.project},
        },
    }
    return json.dumps(document)
