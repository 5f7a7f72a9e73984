"""What people do at the shell that once got a poor answer: each is told, or refused."""

import io
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

import autodiff as ad
from autodiff.fit.command.cli import main
from autodiff.fit.data.text import parse_table

TABLE = b"x,y,g\n0,3,a\n1,8,a\n2,13.5,b\n3,18,b\n4,22,b\n"


@pytest.fixture
def told(capsys, monkeypatch, tmp_path):
    """Run a fit of bytes in a file; return exit code, output and complaint."""
    monkeypatch.chdir(tmp_path)

    def told(formula, *more, raw=TABLE, command="fit"):
        Path("data.csv").write_bytes(raw)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        code = main([command, formula, "data.csv", *more])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return told


MISTAKES = [
    ("y ~ x + 1", "every name is a column (x); parameters are written out: a + b*x"),
    ("y ~ 5", "the right side has no name"),
    ("y ~ a*x + nan", "'nan' is no number of a formula"),
    ("y ~ a*x + inf", "give a start: -p inf=1"),
    ("y ~ a*(x=2)", "to compare, write '=='"),
    ("y ~ a*I(x^2)", "powers stand for themselves"),
    ("y ~ C(g) + b*x", "written as Vm[column]"),
    ("y ~ a*mean(x)", "a formula is computed row by row"),
]


@pytest.mark.parametrize(("formula", "words"), MISTAKES)
def test_words_of_other_languages_have_a_cure(told, formula, words):
    code, out, err = told(formula)
    assert (code, out) == (2, "")
    assert words in err.splitlines()[0]


OPTIONS = [
    (["-p", "a=1,b=2"], "one -p for each, as in -p a=1 -p b=2 [U111]"),
    (["-p", "a > 0"], "bounds are written as -p 'b in 0..inf' [U111]"),
    (["-p", "a in 0..inf", "-p", "a=2"], "start and bounds in one: 'b=1 in 0..inf'"),
    (["--save", "data.csv"], "this is the file of the data, which would be lost"),
    (["--save", "./data.csv"], "name another [U180]"),
]


@pytest.mark.parametrize(("more", "words"), OPTIONS)
def test_options_have_a_cure_too(told, more, words):
    code, out, err = told("y ~ a*x + b", *more)
    assert (code, out) == (2, "")
    assert words in err
    assert Path("data.csv").read_bytes() == TABLE


FILES = {
    "json": (b'{"x": [1, 2], "y": [3, 4]}\n', "not a table but JSON", "D111"),
    "records": (b'[{"x": 1, "y": 3}]\n', "not a table but JSON", "D111"),
    "page": (b"<!DOCTYPE html>\n<html>\n", "a download may have failed", "D111"),
    "latin": (b"x,y\n0,3\n1,\xb5\n", "iconv -f latin1 -t utf-8", "D111"),
    "times": (b"x,y\n12:30,3\n12:45,8\n", "a time of day is no number", "D108"),
    "truths": (b"x,y\ntrue,3\nfalse,8\n", "write 1 and 0, or compare", "D108"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_tables_have_a_cure(told, name):
    raw, words, code = FILES[name]
    found, out, err = told("y ~ a*x", raw=raw)
    assert (found, out) == (3, "")
    assert words in err
    assert err.endswith(f"[{code}]\n")


def test_numbers_for_a_header_are_told(told):
    code, _, err = told("y ~ a*x", raw=b"0,3,u\n1,8,v\n")
    assert code == 2
    assert "if the first line is no header, name the columns with --columns" in err


def test_a_spreadsheet_may_tell_its_delimiter(told):
    code, out, _ = told("y ~ a*x + b", "--plain", raw=b"sep=;\nx;y\n1;3\n2;8\n3;13.5\n")
    assert (code, out.startswith("a\t5.25\t")) == (0, True)


def test_a_start_that_no_compared_formula_has_is_told(capsys, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(TABLE)
    formulas = ["y ~ a", "y ~ a + slope*x"]
    code = main(["compare", "--data", str(path), *formulas, "-p", "slop=1"])
    assert code == 2
    assert "did you mean 'slope'?" in capsys.readouterr().err


def test_a_link_is_written_through_and_permissions_stay(told):
    Path("private.json").touch(mode=0o600)
    Path("link.json").symlink_to("private.json")
    assert told("y ~ a*x + b", "-q", "--save", "link.json")[0] == 0
    assert Path("link.json").is_symlink()
    assert stat.S_IMODE(Path("private.json").stat().st_mode) == 0o600
    assert "autodiff-model" in Path("private.json").read_text()


def test_a_mean_is_not_worse_than_a_constant(told):
    code, _, err = told("y ~ m", raw=b"y\n1\n2\n4\n")
    assert (code, err) == (0, "")


def test_as_many_parameters_as_rows_are_said_to_leave_no_errors(told):
    code, out, _ = told("y ~ w*x + b", raw=b"x,y\n0,3\n1,8\n")
    assert code == 0
    assert "nothing is known of errors" in out
    result = ad.fit("y ~ w*x + b", {"x": [0, 1], "y": [3, 8]})
    assert np.isnan([p.se for p in result.parameters.values()]).all()


def test_the_steepness_of_a_step_is_not_determined():
    x = np.arange(20.0)
    result = ad.fit("y ~ tanh(a*x + b)", {"x": x, "y": np.sign(x - 9.5)})
    assert (result.verdict, result.code) == ("not determinable", "N104")
    assert not result.zeros


def test_an_infinite_cell_is_quoted_in_the_middle_of_a_table():
    rows = "\n".join(f"{i},{i * i}" for i in range(5_000))
    table = parse_table(f"x,y\n{rows}\n# more\n-1e400,3\n7,inf\n".encode(), "table")
    with pytest.raises(ValueError, match=r"line 5003, column 'x': '-1e400' is beyond"):
        table.check_finite("x", table.column("x"))
    with pytest.raises(ValueError, match=r"line 5004, column 'y': 'inf'; a fit needs"):
        table.check_finite("y", table.column("y"))
