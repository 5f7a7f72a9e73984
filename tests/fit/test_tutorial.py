"""docs/fitting.md is true: every command runs, and prints what the page shows."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # many fits

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/fitting.md"
NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e[-+]?\d+)?(?![\w.])")


def steps():
    """Return each command of the page with the output that it shows."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    found = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.M)]
    return [part.split("\n", 1) for part in found if part]


def run(command, folder):
    script = f'autodiff() {{ "{sys.executable}" -m autodiff.fit "$@"; }}\n{command}'
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    return done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="commands of a shell")
def test_every_command_of_the_tutorial_prints_what_the_page_shows(tmp_path):
    shutil.copy(ROOT / "examples/puromycin.csv", tmp_path)
    commands = steps()
    assert len(commands) > 10
    for command, expected in commands:
        found = run(command, tmp_path)
        assert NUMBER.sub("#", found) == NUMBER.sub("#", expected), command
        for left, right in zip(
            NUMBER.findall(found), NUMBER.findall(expected), strict=True
        ):
            # The last of 17 digits is the machine's.
            assert float(left) == pytest.approx(float(right), rel=1e-9), command


def test_the_tutorial_shows_every_command():
    words = re.findall(r"autodiff (\w+)", " ".join(command for command, _ in steps()))
    assert set(words) == {"fit", "predict", "compare", "check", "explain"}
