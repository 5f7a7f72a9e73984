"""Mistakes at the shell, on the command's side: exit code, place, cure, one line."""

import io
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autodiff.fit.catalogue import codes
from autodiff.fit.command.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LINE = str(EXAMPLES / "line.csv")
FIT = ["fit", "y ~ w*x + b", LINE]


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run the command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*argv, stdin=b""):
        stream = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", stream)
        code = main(argv)
        return code, *capsys.readouterr()

    return run


# argv, exit code, code of the message, what it must say: the place, and the cure
MISTAKES = [
    ([], 2, "U170", "a command is missing, as in: autodiff fit"),
    (["fitt"], 2, "U170", "did you mean 'fit'?"),
    (["y ~ w*x + b", LINE], 2, "U170", "a formula follows a command"),
    (["fit"], 2, "U170", "FORMULA"),
    ([*FIT, "--weigth", "w"], 2, "U170", "'--weigth'; did you mean '--weight'?"),
    ([*FIT, "--weigth=w"], 2, "U170", "did you mean '--weight'?"),
    ([*FIT, "more.csv"], 2, "U170", "one argument too many: 'more.csv'"),
    ([*FIT, "--loss", "hubber"], 2, "U170", "huber"),
    ([*FIT, "--json", "--csv"], 2, "U170", "not allowed with"),
    ([*FIT, "--level", "95"], 2, "U159", "95 % is 0.95"),
    ([*FIT, "--level", "high"], 2, "U170", "'high'"),
    ([*FIT, "--level", "0"], 2, "U159", "between 0 and 1"),
    ([*FIT, "--starts", "many"], 2, "U186", "a whole number or auto"),
    ([*FIT, "--starts", "0"], 2, "U166", "a whole number from 1"),
    ([*FIT, "-p", "w"], 2, "U111", "as in -p b=1"),
    ([*FIT, "-p", "w=1,5"], 2, "U111", "'w=1,5'"),
    ([*FIT, "-p", "w=1 in 3..2"], 2, "U182", "write 2..3"),
    ([*FIT, "-p", "w=1 in 2..2"], 2, "U182", "hold a parameter with --fix"),
    ([*FIT, "-p", "w=1 in 0-5"], 2, "U182", "LOW..HIGH"),
    ([*FIT, "-p", "w=1 in 2..3"], 2, None, "w"),
    ([*FIT, "-p", "w=1", "-p", "w=2"], 2, "U118", "given twice; keep one"),
    ([*FIT, "-p", "v=2"], 2, None, "not in the formula"),
    ([*FIT, "-p", "x=2"], 2, None, "a column"),
    ([*FIT, "--fix", "v=2"], 2, None, "not in the formula"),
    ([*FIT, "--fix", "w"], 2, "U183", "as in --fix b=2"),
    ([*FIT, "--fix", "w=1/3"], 2, "U183", "use --tie"),
    ([*FIT, "--fix", "w=1", "--fix", "b=2"], 2, None, ""),
    ([*FIT, "--tie", "w"], 2, "U183", "as in --tie tau=1/b"),
    ([*FIT, "--derive", "log(2)/b"], 2, "U183", "NAME=EXPR"),
    ([*FIT, "--derive", "t=log(2)/v"], 2, None, "v"),
    ([*FIT, "--lr", "0.1"], 2, "U172", "--method sgd; add it"),
    ([*FIT, "--method", "sgd", "--lr", "-1"], 2, "U166", "a positive number"),
    ([*FIT, "--trials", "n"], 2, "U172", "--loss binomial; add it"),
    ([*FIT, "--sigma", "1", "--weight", "1"], 2, "U185", "give one of them"),
    ([*FIT, "--sigma", "dy"], 2, None, "dy"),
    ([*FIT, "--by", "sample"], 2, "U189", "no such column among x, y"),
    ([*FIT, "--by", "X"], 2, "U189", "did you mean 'x'?"),
    ([*FIT, "--by", "x", "--save", "m.json"], 2, "U187", "choose a group with --where"),
    ([*FIT, "--by", "x", "--derive", "t=1/q"], 2, "U151", "'q' is no parameter"),
    (
        [*FIT, "--by", "x", "--loss", "huber", "--ci", "profile"],
        2,
        "U157",
        "rests on a likelihood",
    ),
    ([*FIT, "--loss", "poisson", "--sigma", "2"], 2, "U185", "leave out sigma"),
    ([*FIT, "--plot", "fit.jpgg"], 2, "U178", ".png, .svg or .pdf"),
    (["fit", "y ~ w*x + b", "--plot", LINE], 2, "U178", "write --plot at the end"),
    ([*FIT, "--plot", "no/such/fit.png"], 2, "U180", "make it first"),
    ([*FIT, "--save", "."], 2, "U180", "is a directory; name a file in it"),
    ([*FIT, "--save", "no/such/m.json"], 2, "U180", "there is no directory 'no/such'"),
    ([*FIT, "--json", "--plot"], 2, "U187", "as in --plot fit.png"),
    ([*FIT, "--export", "java"], 2, "U170", "'java'"),
    ([*FIT, "--export", "c", "--json"], 2, "U187", "leave out the other format"),
    ([*FIT, "--columns", "x,,y"], 2, "U112", "an empty name"),
    ([*FIT, "--skip", "-1"], 2, "U184", "0 or more"),
    ([*FIT, "--skip", "two"], 2, "U170", "'two'"),
    ([*FIT, "--where", "x >"], 2, None, "where"),
    ([*FIT, "--where", "x > 1000"], 3, None, ""),
    (["fit", "y = w*x + b", LINE], 2, "F102", "'~'"),
    (["fit", "y ~ w*x + b", "no.csv"], 3, None, "no file 'no.csv'"),
    (["fit", "y ~ w*x + b", "."], 3, None, "is a directory"),
    (["fit", "y ~ w*x + b"], 3, "D104", "standard input"),
    (["predict"], 2, "U170", "MODEL"),
    (["predict", "no.json"], 3, "D170", "autodiff fit --save makes one"),
    (["predict", LINE], 3, "D171", "not a model"),
    (["predict", "."], 3, "D170", "is a directory"),
    (["compare", "y ~ a", "y ~ a + b*x"], 2, "U188", "--data FILE"),
    (["compare", "--data", LINE, "y ~ a"], 2, "U152", "at least two"),
    (["compare", "--data", LINE, "y ~ a", "y ~ a"], 2, "U152", "given twice"),
    (["compare", "--data", LINE, "y ~ a", "log(y) ~ a + b*x"], 2, "U163", "response"),
    (["check", "y ~ expp(x)"], 2, None, "did you mean 'exp'?"),
    (["check", "y ~ a*x", "no.csv"], 3, None, "no file"),
    (["explain", "D999"], 2, "U110", "there is no code 'D999'"),
    (["explain", "what is this"], 2, "U110", "in brackets at the end"),
    (["completion", "tcsh"], 2, "U170", "tcsh"),
    (["completion"], 2, "U170", "shell"),
]


@pytest.mark.parametrize(
    ("argv", "code", "tag", "words"),
    MISTAKES,
    ids=[
        " ".join(argv).replace(LINE, "DATA")[:60] or "nothing" for argv, *_ in MISTAKES
    ],
)
def test_a_mistake_has_its_code_place_and_cure(run, argv, code, tag, words):
    found, out, err = run(*argv)
    assert (found, out) == (code, "")
    first = err.splitlines()[0]
    assert first.startswith("autodiff: ")
    assert words in first
    told = re.search(r"\[([A-Z]\d{3})\]$", first)
    assert told is not None, first
    assert told[1] in codes()
    assert tag in (None, told[1])
    assert "Traceback" not in err


def test_a_fault_leaves_the_files_that_were_there(run, tmp_path):
    (tmp_path / "m.json").write_text("precious")
    code, *_ = run("fit", "y ~ w*x + b + c", LINE, "--save", "m.json")
    assert code == 5
    assert (tmp_path / "m.json").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["m.json"]


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="permissions of Unix, not for root"
)
def test_a_folder_without_permission_is_told(run, tmp_path):
    tmp_path.chmod(0o500)
    code, _, err = run(*FIT, "--plot", "fit.png")
    assert (code, "no permission" in err) == (2, True)


def test_a_fault_of_ours_is_one_line_too(run, monkeypatch):
    monkeypatch.setattr("autodiff.fit.command.cli._run", lambda argv: 1 / 0)
    code, out, err = run(*FIT)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "please report it" in err
    assert err.endswith("[U179]\n")


def test_too_little_memory_is_told(run, monkeypatch):
    def fail(argv):
        raise MemoryError

    monkeypatch.setattr("autodiff.fit.command.cli._run", fail)
    code, _, err = run(*FIT)
    assert (code, "not enough memory" in err) == (3, True)


# ---- the process: pipes, signals, closed streams -------------------------------------

COMMAND = [sys.executable, "-m", "autodiff.fit"]


def shell(script, **more):
    return subprocess.run(
        ["bash", "-c", script, "bash", *COMMAND],
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


unix = pytest.mark.skipif(os.name == "nt", reason="a shell of Unix")


@unix
@pytest.mark.parametrize("form", ["--json", "--csv", "--plain", ""])
def test_a_pipe_whose_reader_has_gone_is_no_traceback(form):
    done = shell(f'set -o pipefail; "$@" fit "y ~ w*x + b" {LINE} {form} | true')
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.returncode in (0, 141)  # the reader may have been slower


@unix
def test_a_closed_output_is_told():
    done = shell(f'"$@" fit "y ~ w*x + b" {LINE} >&-')
    assert done.returncode == 2
    assert "standard output is closed" in done.stderr
    assert "Traceback" not in done.stderr


@unix
def test_a_closed_error_output_changes_nothing():
    done = shell(f'"$@" fit "y ~ w*x + b" {LINE} 2>&-')
    assert (done.returncode, done.stdout.startswith("w = ")) == (0, True)
    assert shell('"$@" fit "y ~ w*" 2>&-').returncode == 2


@unix
def test_a_closed_input_is_told():
    done = shell('"$@" fit "y ~ w*x + b" <&-')
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("autodiff: ")


@unix
def test_a_full_disk_is_told():
    if not os.path.exists("/dev/full"):  # noqa: PTH110 - a device
        return
    done = shell(f'"$@" fit "y ~ w*x + b" {LINE} > /dev/full')
    assert done.returncode == 1
    assert "cannot write the result" in done.stderr
    assert "Traceback" not in done.stderr


@unix
def test_an_interrupted_command_says_so_and_no_more():
    argv = [*COMMAND, "fit", "y ~ w*x + b", LINE, "--method", "sgd", "--lr", "1e-9"]
    with subprocess.Popen(
        [*argv, "--epochs", "100000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()  # it is at work
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=60)
    assert process.returncode in (130, 141)
    assert "Traceback" not in err


@unix
def test_output_that_cannot_show_a_name_is_escaped(tmp_path):
    (tmp_path / "a.csv").write_text("ξ,y\n1,2\n2,4\n3,6.5\n", encoding="utf-8")
    for encoding in ("ascii", "latin-1"):
        done = subprocess.run(
            [*COMMAND, "fit", "y ~ ω*ξ", str(tmp_path / "a.csv")],
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.startswith(b"\\u03c9 = ")


# ---- what the shell is told, in its own words ----------------------------------------

WORDS = [
    ([*FIT, "--loss", "huber", "--loss-scale", "0"], 2, "--loss-scale 0.0: a positive"),
    ([*FIT, "--loss-scale", "1"], 2, "--loss-scale belongs to the losses huber"),
    ([*FIT, "--max-evaluations", "0"], 2, "--max-evaluations 0: a whole number from 1"),
    ([*FIT, "--fix", "v=2"], 2, "--fix v: 'v' is not in the formula"),
    ([*FIT, "--tie", "v=w"], 2, "--tie v: 'v' is not in the formula"),
    ([*FIT, "-p", "v in 0..1"], 2, "-p 'v in ...': 'v' is not in the formula"),
    ([*FIT, "--loss", "binomial"], 2, "--loss binomial needs --trials; add it [U172]"),
]


@pytest.mark.parametrize(("argv", "code", "words"), WORDS)
def test_an_option_is_called_by_its_name(run, argv, code, words):
    found, out, err = run(*argv)
    assert (found, out) == (code, "")
    assert err.startswith("autodiff: ")
    assert words in err


def test_a_count_that_is_none_is_told_with_its_line(run):
    table = b"# counts\nx,n\n0,1\n\n1,\n2,-3\n"
    code, _, err = run("fit", "n ~ exp(a + b*x)", "--loss", "poisson", stdin=table)
    assert code == 3
    assert "the response is -3 in line 6 [D150]" in err


def test_a_value_without_a_finite_derivative_is_told_with_its_line(run):
    code, _, err = run("fit", "y ~ w/x + b", stdin=b"x,y\n1,1\n\n0,3\n2,4\n")
    assert code == 4
    assert "no finite value in 1 of 3 rows, first in line 4" in err


@pytest.mark.parametrize(
    ("formula", "warned"),
    [
        ("y ~ y*a", True),
        ("log(y) ~ a*y", True),
        ("y ~ a[y]", True),
        ("y ~ a*lag_y", False),
    ],
)
def test_a_response_on_both_sides_is_told(run, formula, warned):
    table = b"lag_y,y\n1,2.5\n2,3\n3,4.5\n4,4\n4,4\n"
    _, _, err = run("fit", formula, stdin=table)
    assert ("y is on both sides of '~'" in err) == warned
    assert ("[W107]" in err) == warned


def test_a_group_without_a_count_is_told_what_to_do(run):
    table = b"g,n\na,3\na,4\nb,0\nb,0\nc,7\n"
    argv = ["fit", "n ~ exp(m[g])", "--loss", "poisson"]
    code, out, err = run(*argv, stdin=table)
    assert (code, out) == (5, "")
    assert "every count is 0 in 2 rows, from line 4 on" in err
    assert "m[b] without end; leave them out with --where" in err
    assert run(*argv, "--where", "g != 'b'", stdin=table)[0] == 0


def test_a_mean_below_zero_is_told_with_its_line(run):
    table = b"x,n\n0,1\n1,2\n2,3\n"
    code, _, err = run(
        "fit", "n ~ a + b*x", "--loss", "poisson", "-p", "a=-3", "--fix", "b=1",
        stdin=table,
    )  # fmt: skip
    if code:
        assert "[C102]" in err
    code, _, err = run("fit", "n ~ a*x - 5", "--loss", "poisson", stdin=table)
    assert code == 4
    assert "a mean lies above 0, but the formula is -5 in line 2" in err


def test_a_pole_in_predictions_is_told_with_its_line(run):
    hyperbola = b"x,y\n1,10\n2,5.1\n4,2.4\n5,2\n"
    assert run("fit", "y ~ a/x", "--save", "m.json", stdin=hyperbola)[0] == 0
    code, out, err = run("predict", "m.json", "--csv", stdin=b"x\n1\n\n0\n2\n")
    assert code == 0
    assert len(out.splitlines()) == 4
    assert err == (
        "autodiff: note: the model has no finite value in 1 of 3 rows (line 4); such "
        "rows are outside its domain or at a pole [W173]\n"
    )
    code, out, err = run("predict", "m.json", "--csv", stdin=b"x\n0\n0\n")
    assert (code, len(out.splitlines())) == (3, 3)
    assert "in 2 of 2 rows (lines 2, 3)" in err
    assert err.endswith("[D175]\n")


def test_intervals_that_are_lost_are_told_once(run):
    heights = {x: 2 * math.sqrt(x - 0.5) + 0.3 * math.cos(22 * x) for x in range(1, 10)}
    rows = [f"{x},{y:.2f}" for x, y in heights.items()]
    table = "\n".join(["x,y", *rows]).encode()
    code, _, err = run("fit", "y ~ a*sqrt(x - b) + c", "--ci", "profile", stdin=table)
    assert code == 0
    assert err.count("[W145]") == 1
    assert "the intervals of" in err
