"""Policies in processes of their own: what they may answer, and what they cannot do to us."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import sys
import threading
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostlap.base.errors import BenchmarkError
from ghostlap.base.files import content_hash
from ghostlap.data.vision.pictures import decode_rgb
from ghostlap.driving.policies.foreign import MAX_LINE_BYTES, Foreign, Talk, answer_of
from ghostlap.driving.policies.policy import policy_of
from ghostlap.driving.policies.serve import as_json
from ghostlap.pilots.onnx_check import MAX_FILE_BYTES

SHAPE = (160, 320, 3)
FRAME = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)

POLICY = """
import json, sys
def say(words):
    sys.stdout.write(words + "\\n")
    sys.stdout.flush()
count = 0
while line := sys.stdin.buffer.readline():
    told = json.loads(line)
    frame = sys.stdin.buffer.read(told.get("frame", 0))
    if "start" in told:
        say('{"ready": true}')
        continue
    count += 1
    ANSWER
"""
"""The protocol whole, in the standard library alone."""


def talk(tmp_path: Path, answer: str, **limits: Any) -> Talk:
    script = tmp_path / "policy.py"
    script.write_text(POLICY.replace("ANSWER", answer), encoding="utf-8")
    found = Talk(Foreign("mine", (sys.executable, str(script)), **limits))
    found.begin(SHAPE)
    return found


def test_a_process_sees_frame_and_speed_and_answers(tmp_path: Path) -> None:
    mine = talk(tmp_path, 'say(json.dumps([frame[0] / 255, told["speed_mph"] / 100]))')
    assert mine(FRAME, 25.0) == (FRAME[0, 0, 0] / 255, 0.25)
    assert not mine.faults
    mine.close()


def test_jpeg_frames_are_the_frames_nearly(tmp_path: Path) -> None:
    smooth = np.full(SHAPE, 90, np.uint8)
    sent: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                told = json.loads(line)
                sent.append(stream.read(told.get("frame", 0)))
                stream.write(b'{"ready": true}\n' if "start" in told else b"0.5\n")
                stream.flush()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    mine = Talk(Foreign("mine", port=listening.getsockname()[1], frames="jpeg"))
    mine.begin(SHAPE)
    steering, throttle = mine(smooth, 0.0)
    mine.close()
    server.join(10)
    listening.close()
    assert steering == 0.5
    assert math.isnan(throttle)
    assert np.abs(decode_rgb(sent[1], "frame").astype(int) - 90).max() <= 2


ODD = {
    "a crash": ("raise SystemExit(3)", "crashed", "exit status 3"),
    "its last words": ("1 / 0", "crashed", "ZeroDivisionError"),
    "text": ("say('left')", "text", "said 'left' instead of an answer"),
    "nothing": ("pass", "late", "did not answer within 0.5 s"),
    "hangs": ("while True: pass", "late", "did not answer within 0.5 s"),
    "a flood": ("[say('0.1') for _ in range(10**6)]", "too much", "says more than it is asked"),
    "an endless line": ("sys.stdout.write('1' * 10**7)", "too much", f"{MAX_LINE_BYTES} bytes"),
    "closes its mouth": ("import os; sys.stdout.close(); os.close(1)", "crashed", "ended"),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_policy_that_breaks_a_limit_is_ended_and_says_nothing_more(
    odd: str, tmp_path: Path
) -> None:
    answer, fault, words = ODD[odd]
    mine = talk(tmp_path, answer, answer_s=0.5 if fault in ("late", "text") else 20.0)
    for _ in range(20_000):  # a flood's first answers are answers
        if all(map(math.isnan, mine(FRAME, 10.0))):
            break
    assert all(map(math.isnan, mine(FRAME, 10.0)))
    assert mine.faults[fault] >= 1  # type: ignore[index]
    assert words in mine.problem or "closed" in mine.problem
    assert mine._child is not None
    assert mine._child.wait(10) is not None


def test_one_that_ends_between_two_questions_has_crashed(tmp_path: Path) -> None:
    """What it leaves is the end of its answers, not one too many, and is not waited out."""
    mine = talk(tmp_path, "say('0.5'); raise SystemExit(4)", answer_s=60.0)
    assert mine(FRAME, 10.0)[0] == 0.5
    assert mine._child is not None
    mine._child.wait(10)
    for thread in mine._threads[:2]:  # whoever listens has heard of the end
        thread.join(0.5)
    assert all(map(math.isnan, mine(FRAME, 10.0)))
    assert dict(mine.faults) == {"crashed": 1}
    assert "exit status 4" in mine.problem


def test_memory_is_bounded(tmp_path: Path) -> None:
    keep = "kept = globals().setdefault('kept', []); kept.append(b'x' * 30_000_000); say('0')"
    mine = talk(tmp_path, keep, memory_gib=0.5)
    for _ in range(60):
        mine(FRAME, 10.0)
    assert mine.problem.startswith("used more than 0.5 GiB of memory")
    assert mine.faults["memory"] == 1


def test_not_a_number_and_none_are_no_answers_but_the_talk_goes_on(tmp_path: Path) -> None:
    mine = talk(tmp_path, "say(['NaN', 'null', '1e999', '0.25'][count - 1])")
    for _ in range(3):
        assert math.isnan(mine(FRAME, 10.0)[0])
    assert mine(FRAME, 10.0)[0] == 0.25
    assert dict(mine.faults) == {"not a number": 3}
    mine.close()


def test_a_word_among_answers_is_a_fault_and_no_more(tmp_path: Path) -> None:
    mine = talk(tmp_path, "say('loading'); say('0.25')")
    assert mine(FRAME, 10.0)[0] == 0.25
    assert dict(mine.faults) == {"text": 1}
    mine.close()


def test_a_program_that_is_never_ready_cannot_be_started(tmp_path: Path) -> None:
    mine = Talk(Foreign("mine", (sys.executable, "-c", "pass")))
    mine.begin(SHAPE)
    assert "ended before its time (exit status 0)" in mine.problem


def test_nobody_listens_at_a_port() -> None:
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    mine = Talk(Foreign("mine", port=port))
    mine.begin(SHAPE)
    assert "cannot be reached" in mine.problem
    assert math.isnan(mine(FRAME, 1.0)[0])


def test_a_policy_of_another_virtual_environment(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    if shutil.which(python) is None:
        pytest.skip("this Python comes without the programs of virtual environments")
    module = tmp_path / "venv" / "only_here.py"
    module.write_text("STEERING = 0.125\n", encoding="utf-8")
    script = tmp_path / "policy.py"
    answer = "import only_here; assert 'venv' in sys.prefix; say(str(only_here.STEERING))"
    head = f"import sys; sys.path.insert(0, {str(module.parent)!r})\n"
    script.write_text(head + POLICY.replace("ANSWER", answer), encoding="utf-8")
    policy = policy_of(f"exec:'{python}' -I '{script}'")
    assert policy.name == "policy.py"
    assert isinstance(policy.driver, Foreign)
    mine = Talk(policy.driver)
    mine.begin(SHAPE)
    assert mine(FRAME, 1.0)[0] == 0.125, mine.problem
    mine.close()


def test_a_process_is_known_by_its_files_and_folders(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    (weights / "deeper").mkdir(parents=True)
    script = tmp_path / "policy.py"
    script.write_bytes(b"pass")
    command = f"exec:'{sys.executable}' '{script}'"
    assert policy_of(command).blake2b == content_hash(b"pass")
    (weights / "deeper" / "model.safetensors").write_bytes(b"1")
    before = policy_of(f"{command} '{weights}'").blake2b
    (weights / "deeper" / "model.safetensors").write_bytes(b"2")
    assert policy_of(f"{command} '{weights}'").blake2b != before
    large = tmp_path / "large.pt"
    with large.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert policy_of(f"{command} '{large}'").blake2b != before


MODULE = """
def straight(frame, speed_mph):
    print("words of a library")
    return 0.0

def both(frame, speed_mph):
    return float(frame[0, 0, 0]), 0.5

class Counts:
    def __init__(self):
        self.asked = 7
    def reset(self):
        self.asked = 0
    def __call__(self, frame, speed_mph):
        self.asked += 1
        return self.asked / 10
"""


def test_functions_and_classes_are_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    answers = {}
    for name in ("straight", "both", "Counts"):
        driver = policy_of(f"mine:{name}").driver
        assert isinstance(driver, Foreign)
        served = Talk(driver)
        for _ in range(2):  # two drives
            served.begin(SHAPE)
            answers[name] = [served(FRAME, 1.0) for _ in range(2)]
        served.close()
        assert not served.problem
        assert not served.faults
    assert [steering for steering, _ in answers["straight"]] == [0.0, 0.0]
    assert answers["both"][0] == (float(FRAME[0, 0, 0]), 0.5)
    assert [steering for steering, _ in answers["Counts"]] == [0.1, 0.2], "reset for each drive"


BAD = {
    "exec:": "is no command line|there is no such program",
    "exec:no-such-program x": "there is no such program. Name it with its path",
    "exec:python 'x": "is no command line",
    "tcp:0": "must be a port of this machine",
    "tcp:example.org:80": "Policies on other machines are not asked",
    "no_such_module:policy": "there is no module no_such_module",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_policy(text: str) -> None:
    with pytest.raises(BenchmarkError, match=BAD[text]):
        policy_of(text)


@given(st.binary(max_size=200))
def test_any_line_is_an_answer_or_none(line: bytes) -> None:
    found = answer_of(line)
    assert found is None or (len(found) == 2 and all(type(one) is float for one in found))


@given(st.lists(st.floats(), min_size=1, max_size=2))
def test_what_is_served_is_understood(answer: list[float]) -> None:
    found = answer_of(as_json(answer))
    assert found is not None
    for one, other in zip(answer, found, strict=False):
        assert one == other or not math.isfinite(one) or abs(one) >= 1e300


@pytest.mark.parametrize("odd", ["left", None, [1, 2, 3], {"steering": 1}, object()])
def test_an_answer_of_another_kind_is_understood_as_none(odd: Any) -> None:
    found = answer_of(as_json(odd))
    assert found is None or math.isnan(found[0])
