"""The command line: what it prints, and how it ends."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from autodiff.fit.command.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FOUR_POINTS = str(EXAMPLES / "four_points.csv")
MISRA1A = str(EXAMPLES / "misra1a.csv")
MISRA1A_FIT = [
    "fit", "y ~ b1*(1 - exp(-b2*x))", MISRA1A, "-p", "b1=500", "-p", "b2=0.0001"
]  # fmt: skip
SGD = [
    "fit", "y ~ w*x + b", FOUR_POINTS, "--method", "sgd", "--lr", "0.1",
    "--epochs", "100", "-p", "w=8", "-p", "b=8",
]  # fmt: skip


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command in this process; return code, stdout, stderr."""

    def run(*argv, stdin=b""):
        stream = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", stream)
        code = main(argv)
        return code, *capsys.readouterr()

    return run


def test_four_points_on_standard_input_are_told_to_be_exact(run):
    code, out, err = run(
        "fit", "y ~ w*x + b", "-", "--columns", "x,y", stdin=b"0,3\n1,8\n2,13\n3,18\n"
    )
    assert out == (
        "w = 5\nb = 3\nexact fit: all 4 residuals are 0; standard errors are 0\n"
    )
    assert (code, err) == (0, "")


def test_a_line_is_fitted_without_starting_values(run):
    code, out, _ = run("fit", "y ~ w*x + b", str(EXAMPLES / "line.csv"))
    assert code == 0
    assert out.startswith("w = 4.996 +- 0.059  [4.852, 5.140]\n")


def test_misra1a_prints_the_certified_values(run):
    code, out, _ = run(*MISRA1A_FIT)
    assert code == 0
    assert out.startswith(
        "b1 = 238.9     +- 2.7        [233.0, 244.8]\n"
        "b2 = 0.0005502 +- 0.0000073  [0.0005343, 0.0005660]\n"
    )


def test_gradient_descent_prints_the_losses_of_the_classroom(run):
    code, out, _ = run(*SGD)
    lines = out.splitlines()
    losses = [float(line.split()[-1]) for line in lines[:400]]
    assert [line.split()[-1] for line in lines[:4]] == ["25", "49", "33.64", "0.5184"]
    assert max(losses[196:200]) < 1e-12
    assert lines[400:402] == ["w = 5", "b = 3"]
    assert code == 0


def test_gradient_descent_that_has_not_arrived_is_no_success(run):
    code, _, err = run(*SGD[:7], "--epochs", "3", *SGD[9:])
    assert code == 4
    assert "3 epochs of gradient descent did not reach the minimum" in err


def test_gradient_descent_that_diverges_is_told(run):
    code, _, err = run(*SGD[:6], "9", "--epochs", "1000", "-p", "w=8")
    assert code == 4
    assert "smaller --lr" in err


def test_json_goes_to_standard_output_with_every_digit(run):
    code, out, _ = run(*MISRA1A_FIT, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["schema"] == "autodiff-fit/1"
    assert document["parameters"]["b1"]["estimate"] == pytest.approx(
        238.94212917886171, rel=1e-13
    )


def test_json_is_printed_also_where_nothing_is_determined(run):
    code, out, err = run("fit", "y ~ w*x + b + c", FOUR_POINTS, "--json")
    assert code == 5
    assert json.loads(out)["verdict"] == "not determinable"
    assert err.count("\n") == 1


def test_plain_output_is_tab_separated(run):
    _, out, _ = run("fit", "y ~ w*x + b", FOUR_POINTS, "--plain")
    assert out == "w\t5.0\t0.0\t5.0\t5.0\nb\t3.0\t0.0\t3.0\t3.0\n"


def test_quiet_prints_nothing(run):
    assert run("fit", "y ~ w*x + b", FOUR_POINTS, "-q") == (0, "", "")


def test_dropped_rows_are_told_on_standard_error(run):
    code, out, err = run("fit", "y ~ w*x + b", stdin=b"x,y\n0,3\n1,8\n2,\n3,18\n")
    assert code == 0
    assert out.startswith("w = 5\n")
    assert "1 of 4 rows left out" in err


def test_a_formula_fault_shows_a_caret_below_its_line(run):
    code, out, err = run("fit", "y ~ expp(x)", FOUR_POINTS)
    first, formula, caret = err.splitlines()
    assert (code, out) == (2, "")
    assert "did you mean 'exp'?" in first
    assert formula[caret.index("^") :].startswith("expp")


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        ([], 2, "a command is missing"),
        (["fti"], 2, "fti"),
        (["fit"], 2, "FORMULA"),
        (["fit", "y ~ w*x", FOUR_POINTS, "--frobnicate"], 2, "--frobnicate"),
        (["fit", "y ~ w*x", FOUR_POINTS, "-p", "w"], 2, "NAME=NUMBER"),
        (["fit", "y ~ w*x", FOUR_POINTS, "-p", "w=abc"], 2, "NAME=NUMBER"),
        (["fit", "y ~ w*x", FOUR_POINTS, "-p", "w=nan"], 2, "NAME=NUMBER"),
        (["fit", "y ~ w*x", FOUR_POINTS, "-p", "w=1", "-p", "w=2"], 2, "twice"),
        (["fit", "y ~ w*x", FOUR_POINTS, "-p", "v=1"], 2, "not in the formula"),
        (["fit", "y ~ w*x", FOUR_POINTS, "--lr", "0.1"], 2, "--method sgd"),
        (["fit", "y ~ w*x", FOUR_POINTS, "--columns", "x,,y"], 2, "empty name"),
        (["fit", "y ~ w*x", FOUR_POINTS, "--level", "2"], 2, "probability"),
        (["fit", "y ~ w*x", FOUR_POINTS, "--columns", "x,y"], 3, "leave out --columns"),
        (["fit", "y ~ w*x", "no_such_file.csv"], 3, "no file"),
        (["fit", "y ~ w*x", str(EXAMPLES)], 3, "directory"),
        (["fit", "z ~ w*x", FOUR_POINTS], 2, "no column 'z'"),
        (["fit", "y ~ __import__('os')", FOUR_POINTS], 2, "no function"),
        (["fit", "(" * 10_000, FOUR_POINTS], 2, "nested deeper"),
        (["fit", "1" * 100_000, FOUR_POINTS], 2, "at most"),
        (["fit", "y ~ w*x + b + c", FOUR_POINTS], 5, "b and c cannot be told apart"),
        (["fit", "y ~ w*x + b", "-"], 3, "empty"),
    ],
)
def test_a_fault_has_its_exit_code_and_one_line(run, argv, code, words):
    found, out, err = run(*argv)
    assert found == code
    assert out == ""
    first = err.splitlines()[0]
    assert words in first
    assert first.startswith("autodiff: ")
    assert "Traceback" not in err


def test_help_opens_with_examples(run):
    for argv in (["--help"], ["fit", "--help"]):
        code, out, _ = run(*argv)
        assert code == 0
        assert out.startswith("examples:\n  autodiff fit 'y ~ w*x + b'")


def test_the_version_is_printed(run):
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("autodiff ")


def test_the_plain_path_imports_no_heavy_library():
    script = (
        "import sys; from autodiff.fit.command.cli import main; "
        f"code = main(['fit', 'y ~ w*x + b', {FOUR_POINTS!r}]); "
        "heavy = 'scipy pandas click rich matplotlib pyarrow json difflib'.split(); "
        "print(code, [name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 []"


def test_a_reader_that_goes_away_is_no_traceback():
    command = [sys.executable, "-m", "autodiff.fit", *SGD[:7], "--epochs", "20000"]
    with subprocess.Popen(
        [*command, "-p", "w=8", "-p", "b=8"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
