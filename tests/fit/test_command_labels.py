"""The command: where options stand, and labels of levels in its output."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from autodiff.fit.command.cli import main

ROOT = Path(__file__).resolve().parents[2]
LINE = str(ROOT / "examples/line.csv")


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*argv, stdin=b""):
        stream = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", stream)
        code = main(argv)
        return code, *capsys.readouterr()

    return run


# ---- where options stand ------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("-p", "w=1", LINE),
        ("--plain", LINE),
        ("--weight", "1", "--plain", "-p", "b=-1", LINE),
        ("-pw=1", LINE, "--level=0.95"),
        ("-p", "w=1", "-", "--plain"),
        ("--plain", "--", LINE),
        ("--starts", "2", "--", "-"),
    ],
)
def test_options_stand_between_formula_and_file(run, words):
    stdin = Path(LINE).read_bytes()
    code, out, err = run("fit", "y ~ w*x + b", *words, stdin=stdin)
    assert (code, err) == (0, "")
    assert "4.9961" in out or "4.996 " in out


def test_options_stand_between_the_arguments_of_other_commands(run):
    run("fit", "y ~ w*x + b", LINE, "--save", "m.json", "-q")
    assert run("predict", "m.json", "--csv", LINE)[0] == 0
    formulas = ("y ~ b", "--plain", "--data", LINE, "y ~ w*x + b")
    code, out, _ = run("compare", *formulas)
    assert (code, len(out.splitlines())) == (0, 2)


def test_an_unknown_option_is_named_before_words_that_are_too_many(run):
    code, _, err = run("fit", "y ~ w*x", "--plian", "3", LINE)
    assert code == 2
    assert "no option '--plian'; did you mean '--plain'?" in err


# ---- labels that are equal as numbers -----------------------------------------------

IDS = b"id,x,y\n01,1,2\n01,2,3\n1,1,9\n1,2,9.5\n01,3,4.1\n1,3,10.2\n"


def test_labels_that_are_equal_as_numbers_are_levels_apart(run):
    code, out, err = run("fit", "y~a[id]+b*x", "--plain", "--save", "m.json", stdin=IDS)
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines()] == ["a[01]", "a[1]", "b"]
    assert err.count("[W182]") == 1
    code, out, _ = run("predict", "m.json", "--json", stdin=b"id,x\n1,1\n01,1\n")
    first, second = json.loads(out)["fitted"]
    assert (code, round(first - second, 3)) == (0, 6.533)
    code, _, err = run("predict", "m.json", stdin=b"id,x\n1.0,1\n")
    assert code == 3
    assert "level '1.0' was not fitted (levels: 01, 1)" in err


def test_labels_that_are_equal_as_numbers_are_groups_apart(run):
    code, out, err = run("fit", "y ~ a + b*x", "--by", "id", "--csv", stdin=IDS)
    groups = [line.split(",")[0] for line in out.splitlines()[1:]]
    assert (code, groups) == (0, ["01", "01", "1", "1"])
    assert err.count("[W182]") == 1


def test_a_label_in_a_condition_is_as_it_is_written(run):
    _, out, _ = run("fit", "y ~ a", "--where", "id == '1'", "--json", stdin=IDS)
    assert json.loads(out)["n"] == 3


# ---- predictions -------------------------------------------------------------------

GROWTH = b"g,x,y\na,0,1\na,1,2.8\na,2,7.3\nb,0,2\nb,1,5.6\nb,2,14.3\n"


@pytest.mark.parametrize(
    "formula", ["y ~ a[g]*exp(b*x)", "y ~ a*exp(b*x)*(2 if g == 'b' else 1)"]
)
def test_predictions_come_with_the_labels_of_their_rows(run, formula):
    run("fit", formula, "--save", "m.json", "-q", stdin=GROWTH)
    new = b"x,g\n1,b\n,a\n2, a\n"
    found = json.loads(run("predict", "m.json", "--json", stdin=new)[1])
    assert found["columns"] == {"g": ["b", "a"], "x": [1.0, 2.0]}
    rows = list(
        csv.DictReader(io.StringIO(run("predict", "m.json", "--csv", stdin=new)[1]))
    )
    assert [(row["g"], row["x"]) for row in rows] == [("b", "1.0"), ("a", "2.0")]
    plain = run("predict", "m.json", "--plain", stdin=new)[1].splitlines()
    assert sorted(plain[0].split("\t")[:2]) == ["1.0", "b"]
    for form in ((), ("--md",)):
        out = run("predict", "m.json", *form, stdin=new)[1]
        head, first = [line for line in out.splitlines() if "--" not in line][:2]
        assert {"g", "x", "fitted"} <= set(head.split())
        assert {"b", "1"} <= set(first.split())


def test_predictions_say_of_what_they_are(run):
    run("fit", "log(y) ~ a[g] + b*x", "--save", "m.json", "-q", stdin=GROWTH)
    out = run("predict", "m.json", stdin=b"x,g\n1,b\n")[1]
    assert out.splitlines()[-1].startswith("fitted: log(y); lo, hi: 95 %")
    found = json.loads(run("predict", "m.json", "--json", stdin=b"x,g\n1,b\n")[1])
    assert found["response"] == "log(y)"
    run("fit", "y ~ a[g] + b*x", "--save", "m.json", "-q", stdin=GROWTH)
    assert "fitted:" not in run("predict", "m.json", stdin=b"x,g\n1,b\n")[1]
