"""Answers of which every byte is known beforehand: both the provider and the buyer compute them from the request.

A request's prompt is its plan. Each event carries the request's number, its own number and a piece of a text that
depends on both, with characters that JSON, UTF-8 and server-sent events must all carry unharmed.
"""

import dataclasses
import json
import random

_source = random.Random(7)
_TEXT = "".join(_source.choices("abcdefghijklmnopqrstuvwxyz     \"\\/{}[]:,éßжλ漢字🙂\u2028\t", k=131_072))

DONE = b"data: [DONE]\n\n"


@dataclasses.dataclass(frozen=True)
class Plan:
    number: int
    count: int
    size: int
    pace: float
    stream: bool
    # What the provider does: see providers.py.
    ending: str = "complete"

    def prompt(self):
        return json.dumps(dataclasses.asdict(self))

    def fill(self, seq):
        start = (self.number * 7919 + seq * 104_729) % 65_536
        return _TEXT[start : start + self.size]

    def event(self, seq):
        body = {"request": self.number, "seq": seq, "of": self.count, "fill": self.fill(seq)}
        return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"

    def whole(self):
        """The body of an answer in one piece."""
        return json.dumps({"request": self.number, "of": self.count, "fill": self.fill(0)}, ensure_ascii=False)


def plan_of(body):
    return Plan(**json.loads(json.loads(body)["messages"][0]["content"]))


class Judge:
    """Compares a streamed answer with its plan, as it comes."""

    def __init__(self, plan):
        self.plan = plan
        self.seq = 0
        self.unread = b""
        self.expected = plan.event(0).encode() if plan.count else None
        self.has_error = False
        self.is_done = False
        self.problem = None

    def take(self, data):
        self.unread += data
        while self.problem is None:
            end = self.unread.find(b"\n\n")
            if end < 0:
                return
            event, self.unread = self.unread[: end + 2], self.unread[end + 2 :]
            self._take(event)

    def _take(self, event):
        if self.is_done:
            self.problem = f"after [DONE]: {event[:120]}"
        elif event == DONE:
            self.is_done = True
        elif not self.has_error and event == self.expected:
            self.seq += 1
            self.expected = self.plan.event(self.seq).encode() if self.seq < self.plan.count else None
        elif not self.has_error and event.startswith(b'data: {"error":'):
            error = json.loads(event[6:])["error"]
            if not error["message"] or not error["type"] or not error["code"]:
                self.problem = f"a poor error event: {event[:200]}"
            self.has_error = True
        else:
            self.problem = f"request {self.plan.number}, event {self.seq} of {self.plan.count}: {event[:160]}"

    def finish(self):
        """The answer has ended by its framing: (outcome, problem)."""
        if self.problem is None:
            if self.unread:
                self.problem = f"a torn event at the end: {self.unread[:120]}"
            elif not self.is_done:
                self.problem = f"no [DONE] after {self.seq} of {self.plan.count} events"
            elif not self.has_error and self.seq < self.plan.count:
                self.problem = f"called whole after {self.seq} of {self.plan.count} events"
        return "200, error event" if self.has_error else "200, complete", self.problem


class DemoJudge:
    """As Judge, for the demo engine: the same seed must always give the same words."""

    references = {}

    def __init__(self, seed):
        self.seed = seed
        self.plan = None
        self.unread = b""
        self.id = None
        self.text = ""
        self.has_error = self.is_done = False
        self.problem = None

    def take(self, data):
        self.unread += data
        while self.problem is None and (end := self.unread.find(b"\n\n")) >= 0:
            event, self.unread = self.unread[: end + 2], self.unread[end + 2 :]
            if self.is_done:
                self.problem = f"after [DONE]: {event[:120]}"
            elif event == DONE:
                self.is_done = True
            else:
                self._take(event)

    def _take(self, event):
        try:
            body = json.loads(event[6:]) if event.startswith(b"data: ") and b"\n" not in event[:-2] else None
        except ValueError:
            body = None
        if body is None or self.has_error:
            self.problem = f"not an event: {event[:160]}"
        elif "error" in body:
            self.has_error = True
        elif self.id not in (None, body["id"]):
            self.problem = f"an event of another answer: {event[:160]}"
        else:
            self.id = body["id"]
            self.text += body["choices"][0]["delta"].get("content", "")

    def finish(self):
        if self.problem is None:
            reference = self.references.get(self.seed)
            if self.unread:
                self.problem = f"a torn event at the end: {self.unread[:120]}"
            elif not self.is_done:
                self.problem = "no [DONE]"
            elif not self.has_error:
                reference = self.references.setdefault(self.seed, self.text)
                if reference != self.text:
                    self.problem = f"other words than before: {self.text[:80]}"
            elif reference is not None and not reference.startswith(self.text):
                self.problem = f"other words than before: {self.text[:80]}"
        return "200, error event" if self.has_error else "200, complete", self.problem
