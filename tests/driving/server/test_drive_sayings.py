"""What a drive server says of its clients, however many there are and whatever they do."""

from __future__ import annotations

from ghostlap.driving.server.sayings import Sayings


class Said:
    """Sayings with a clock that a test winds."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.lines: list[str] = []
        self.sayings = Sayings(self.lines.append, lambda: self.now_s)

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        self.sayings.tick()


def test_a_hundred_clients_that_come_and_go_are_two_lines_a_minute() -> None:
    said = Said()
    for second in range(180):
        for client in range(100):
            said.sayings.say(f"simulator {client}", " connected")
            said.sayings.say(f"simulator {client}", f" left after {client} frames")
        said.pass_s(1.0)
        assert len(said.lines) <= 2 * (1 + second / 60 + 1)
    assert said.lines[0] == "simulator 0 connected"
    assert said.lines[2] == "simulator 99 connected (and 5998 more like this)"
    said.sayings.finish()
    assert (
        sum(int((line + " 0 more").split(" more")[0].split()[-1]) for line in said.lines)
        + len(said.lines)
        == 2 * 180 * 100
    )


def test_another_kind_of_event_is_said_at_once() -> None:
    said = Said()
    said.sayings.say("simulator 1", " connected")
    said.sayings.say("simulator 1", ": the pilot answers NaN: braking to a stop")
    assert len(said.lines) == 2


def test_a_client_cannot_make_up_kinds_without_end() -> None:
    said = Said()
    for k in range(10_000):
        said.sayings.say("simulator 1", f": {chr(97 + k % 26) * (1 + k // 26)}")
    assert len(said.lines) < 50
    said.pass_s(61.0)
    assert len(said.lines) < 100
