"""The other commands: predict, compare, check, explain, completion; terminals."""

import csv
import io
import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autodiff.fit.catalogue import codes, page
from autodiff.fit.command.cli import main

ROOT = Path(__file__).resolve().parents[2]
LINE = str(ROOT / "examples/line.csv")
MISRA1A = str(ROOT / "examples/misra1a.csv")
COMMAND = [sys.executable, "-m", "autodiff.fit"]


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*argv, stdin=b""):
        stream = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", stream)
        code = main(argv)
        return code, *capsys.readouterr()

    return run


# ---- fit: files ---------------------------------------------------------------------


def test_a_fit_is_saved_and_predicts(run):
    assert run("fit", "y ~ w*x + b", LINE, "--save", "m.json", "-q") == (0, "", "")
    code, out, err = run("predict", "m.json", "--csv", stdin=b"x\n0\n10\n")
    first, second = csv.DictReader(io.StringIO(out))
    assert (code, err) == (0, "")
    assert float(second["fitted"]) - float(first["fitted"]) == pytest.approx(49.9619047)
    assert float(first["lo"]) < float(first["fitted"]) < float(first["hi"])
    assert float(first["observation_lo"]) < float(first["lo"])


def test_files_are_written_though_the_reader_of_the_output_has_gone(tmp_path):
    files = ["--save", "m.json", "--plot", "m.svg"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "fit", "y ~ w*x + b", LINE, *files],
        stdout=writer,
        cwd=tmp_path,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 141
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.json", "m.svg"]


def test_predictions_come_in_every_format(run):
    run("fit", "y ~ w*x + b", LINE, "--save", "m.json", "-q")
    for form in ("--json", "--csv", "--md", "--plain", "-q", None):
        argv = ["predict", "m.json", "-", *([form] if form else [])]
        code, out, _ = run(*argv, stdin=b"x\n0\n10\n")
        assert code == 0
        if form == "--json":
            found = json.loads(out)
            assert found["schema"] == "autodiff-predict/1"
            assert found["columns"] == {"x": [0.0, 10.0]}
            assert len(found["fitted"]) == len(found["observation_hi"]) == 2
        elif form == "-q":
            assert out == ""
        else:
            lines = {"--csv": 3, "--md": 4, "--plain": 2, None: 4}[form]
            assert len(out.splitlines()) == lines


def test_rows_without_a_value_are_left_out_and_told(run):
    run("fit", "y ~ w*x + b", LINE, "--save", "m.json", "-q")
    code, out, err = run("predict", "m.json", "--plain", stdin=b"x,z\n0,1\n,2\n5,3\n")
    assert (code, len(out.splitlines())) == (0, 2)
    assert "1 of 3 rows left out" in err


def test_a_column_that_a_prediction_lacks_has_a_suggestion(run):
    run("fit", "y ~ w*x + b", LINE, "--save", "m.json", "-q")
    code, out, err = run("predict", "m.json", stdin=b"X\n0\n")
    assert (code, out) == (3, "")
    assert "'x'" in err
    assert "did you mean 'X'?" in err


def test_a_wider_level_makes_wider_bands(run):
    run("fit", "y ~ w*x + b", LINE, "--save", "m.json", "-q")
    reach = []
    for level in ("0.5", "0.99"):
        _, out, _ = run(
            "predict", "m.json", "--json", "--level", level, stdin=b"x\n3\n"
        )
        found = json.loads(out)
        reach.append(found["hi"][0] - found["lo"][0])
    assert reach[0] < reach[1]


def test_a_plot_follows_the_report(run):
    code, out, _ = run("fit", "y ~ w*x + b", LINE, "--plot")
    assert code == 0
    assert out.startswith("w = ")
    assert len(out.splitlines()) > 25


def test_a_picture_is_written_beside_the_report(run, tmp_path):
    code, out, _ = run("fit", "y ~ w*x + b", LINE, "--plot", "fit.svg")
    assert (code, out.startswith("w = ")) == (0, True)
    assert (tmp_path / "fit.svg").read_text().startswith("<?xml")


def test_exported_code_is_all_that_is_printed(run):
    code, out, _ = run("fit", "y ~ w*x + b", LINE, "--export", "python")
    names = {}
    exec(out, names)
    assert code == 0
    assert names["model"](0.0) == pytest.approx(3.0, abs=0.01)


def test_bounds_and_starts_are_one_option(run):
    code, out, _ = run(
        "fit", "y ~ w*x + b", LINE, "-p", "w=1 in 0..4", "--json"
    )  # fmt: skip
    found = json.loads(out)
    assert code == 0
    assert found["parameters"]["w"]["status"] == "at upper bound"
    assert found["parameters"]["w"]["estimate"] == 4.0


def test_groups_are_told_their_intervals_notes_and_derived_quantities(run, tmp_path):
    rng = np.random.default_rng(2)
    lines = ["x,y,g"]
    for name, b in (("slow", 0.3), ("fast", 1.2)):
        x = np.linspace(0.0, 5.0, 20)
        y = 3.0 * np.exp(-b * x) + 0.5 + 0.05 * rng.standard_normal(20)
        pairs = zip(x.tolist(), y.tolist(), strict=True)
        lines += [f"{u!r},{v!r},{name}" for u, v in pairs]
    wave = np.sin(np.linspace(0.0, 9.0, 20)).tolist()
    lines += [f"{u},{v!r},wave" for u, v in enumerate(wave)]
    (tmp_path / "groups.csv").write_text("\n".join([*lines, "9,,slow"]) + "\n")
    start = ["-p", "a=1", "-p", "b=1", "-p", "c=0"]
    fit = ["fit", "y ~ a*exp(-b*x) + c", "groups.csv", *start, "--by", "g"]
    fit += ["--derive", "half=log(2)/b"]
    _, out, err = run(*fit)
    assert out.splitlines()[0].split()[:9] == "g a +- b +- c +- half +-".split()
    assert "profile where Wald's ends are off by more than 10 %" in out
    assert ", in 2 of 3 groups" in out
    assert err.count("left out") == 1  # of all rows, told once
    assert "note: g wave: the interval" in err  # of one or of several
    _, out, _ = run(*fit, "--csv")
    assert "slow,half," in out


# ---- compare ------------------------------------------------------------------------


def test_formulas_are_compared_on_data(run):
    code, out, _ = run(
        "compare", "--data", MISRA1A, "y ~ a + b*x", "y ~ a + b*x + c*x^2"
    )
    assert code == 0
    assert out.splitlines()[1].startswith("y ~ a + b*x + c*x^2")
    assert "F test: y ~ a + b*x + c*x^2 earns its 1 more parameter" in out


def test_robust_fits_are_not_said_to_have_evidence(run):
    code, out, _ = run(
        "compare", "--data", LINE, "y ~ a", "y ~ a + b*x", "--loss", "huber"
    )
    assert code == 0
    assert "nan" not in out
    assert "a robust loss has no likelihood, so no AICc and no test" in out


def test_counts_are_compared_by_a_likelihood_ratio_test(run):
    counts = b"x,y\n0,3\n1,2\n2,4\n3,3\n4,6\n5,4\n6,7\n7,5\n8,9\n9,6\n"
    formulas = ("y ~ exp(a)", "y ~ exp(a + b*x)")
    argv = ("compare", *formulas, "--data", "-", "--loss", "poisson")
    out = run(*argv, stdin=counts)[1]
    assert "chi-square test: y ~ exp(a + b*x) earns its 1 more parameter" in out
    assert "(chi-square = 5.177 on 1, p = 0.0229)" in out


def test_saved_models_are_compared(run):
    run("fit", "y ~ a + b*x", MISRA1A, "--save", "a.json", "-q")
    run("fit", "y ~ a + b*x + c*x^2", MISRA1A, "--save", "b.json", "-q")
    code, out, err = run("compare", "a.json", "b.json", "--json")
    found = json.loads(out)
    assert code == 0
    assert [rank["label"] for rank in found["ranks"]] == ["b.json", "a.json"]
    assert "whether they are nested is not known" in err


def test_saved_models_with_their_data_have_the_tests_of_formulas(run):
    formulas = ["y ~ a + b*x", "y ~ a + b*x + c*x^2"]
    for name, formula in zip(["a.json", "b.json"], formulas, strict=True):
        run("fit", formula, MISRA1A, "--where", "x < 600", "--save", name, "-q")
    again = ["--data", MISRA1A, "--where", "x < 600", "--json"]
    code, out, err = run("compare", "a.json", "b.json", *again)
    saved = json.loads(out)
    fitted = json.loads(run("compare", *formulas, *again)[1])
    assert code == 0
    assert "W171" not in err
    for key in ("ranks", "tests"):
        assert len(saved[key]) == len(fitted[key]) > 0
        for one, other in zip(saved[key], fitted[key], strict=True):
            numbers = {k: v for k, v in other.items() if isinstance(v, float)}
            assert {k: one[k] for k in numbers} == pytest.approx(numbers, rel=1e-9)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--where", "x < 600"], "it has 14 rows, these data give"),
        (["--weight", "x"], "it has rss 63.975"),
        (["--fix", "a=1"], "--fix belongs to a fit"),
    ],
)
def test_a_saved_model_is_not_compared_on_other_rows(run, more, said):
    for name, formula in (("a.json", "y ~ a*x"), ("b.json", "y ~ a*x + b")):
        run("fit", formula, MISRA1A, "--save", name, "-q")
    code, out, err = run("compare", "a.json", "b.json", "--data", MISRA1A, *more)
    assert (code, out) == (2, "")
    assert said in err


def test_saved_models_and_formulas_are_not_mixed(run):
    run("fit", "y ~ a*x", MISRA1A, "--save", "a.json", "-q")
    code, _, err = run("compare", "a.json", "y ~ a*x + b", "--data", MISRA1A)
    assert code == 2
    assert "U188" in err


@pytest.mark.parametrize(("form", "lines"), [("--csv", 3), ("--md", 4), ("--plain", 2)])
def test_comparisons_come_in_every_format(run, form, lines):
    code, out, _ = run("compare", "--data", LINE, "y ~ a", "y ~ a + b*x", form)
    assert (code, len(out.splitlines())) == (0, lines)


def test_a_model_that_cannot_be_fitted_ends_a_comparison(run):
    code, out, err = run("compare", "--data", LINE, "y ~ a", "y ~ a + b + c*x")
    assert (code, out) == (5, "")
    assert "y ~ a + b + c*x: not determinable" in err


# ---- check --------------------------------------------------------------------------


def test_check_tells_data_from_parameters(run):
    code, out, err = run("check", "y ~ a*exp(-b*x) + pi", "--columns", "x,y")
    assert (code, err) == (0, "")
    for line in (
        "response      y", "data          y, x", "parameters    a, b",
        "constants     pi = 3.14159", "functions     exp", "linear in     a",
        "  d/da  exp(-b*x)",
    ):  # fmt: skip
        assert line in out.splitlines()


def test_check_as_json(run):
    _, out, _ = run("check", "w*x + b", LINE, "--json")
    found = json.loads(out)
    assert found["response"] == "y"
    assert (found["data"], found["parameters"]) == (["x"], ["w", "b"])
    assert found["linear"] is True
    assert found["derivatives"] == {"w": "x", "b": "1"}


def test_check_without_columns_knows_the_left_side_only(run):
    code, out, _ = run("check", "y ~ a*x")
    assert code == 0
    assert "data          y" in out.splitlines()
    assert "--columns x,y says which" in out


def test_check_prints_long_sums_too(run):
    code, out, _ = run("check", "y ~ " + "+".join(["a*x"] * 2000), "--columns", "x,y")
    assert (code, "Traceback" in out) == (0, False)


# ---- explain and the pages ----------------------------------------------------------


def test_explain_prints_a_page(run):
    code, out, _ = run("explain", "[d104]")
    assert code == 0
    assert out.startswith(f"D104: {page('D104').title}\n\n")


def test_explain_without_a_code_lists_all(run):
    code, out, _ = run("explain")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if line.startswith("  ")] == [
        *codes()
    ]


def test_every_page_is_lines_of_a_terminal():
    for code in codes():
        found = page(code)
        assert found.title
        assert not found.title.endswith(".")
        assert found.text
        assert max(map(len, found.text.splitlines())) <= 104, code


@pytest.mark.skipif(not (ROOT / "tools").exists(), reason="about the source tree")
def test_generated_pages_are_current():
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/gen_fit_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_man_page_is_understood():
    groff = shutil.which("groff")
    if groff is None:
        return
    done = subprocess.run(
        [groff, "-man", "-ww", "-Tascii", str(ROOT / "docs/autodiff.1")],
        capture_output=True,
        text=True,
        check=True,
        # Not with the sanitizers that this process may have been started with.
        env={k: v for k, v in os.environ.items() if k != "LD_PRELOAD"},
    )
    assert done.stderr == ""
    assert "EXIT STATUS" in re.sub(".\b", "", done.stdout)


# ---- completion ---------------------------------------------------------------------


def complete(*words):
    """Return what bash offers after these words; the last one is under way."""
    script = subprocess.run(
        [*COMMAND, "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    quoted = " ".join(f"'{word}'" for word in ("autodiff", *words))
    driver = (
        f"{script}\nCOMP_WORDS=({quoted})\nCOMP_CWORD={len(words)}\n_autodiff\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", driver], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pr"], ["predict"]),
        (["fit", "y ~ a*x", "--lo"], ["--loss", "--loss-scale"]),
        (["fit", "y ~ a*x", "--loss", "h"], ["huber"]),
        (["fit", "y ~ a*x", "--se", ""], ["auto", "jtj", "hessian", "sandwich"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["explain", "U17"], [code for code in codes() if code.startswith("U17")]),
        (["fit", "y ~ a*x", "--columns", ""], []),
    ],
)
def test_bash_completes(words, expected):
    assert complete(*words) == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").touch()
    assert complete("fit", "y ~ a*x", "da") == ["data.csv"]
    assert complete("fit", "y ~ a*x", "data.csv", "--save", "d") == ["data.csv"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_completion_script_is_one_that_its_shell_reads(run, shell, tmp_path):
    code, out, _ = run("completion", shell)
    assert code == 0
    assert "sandwich" in out
    if shutil.which(shell):
        (tmp_path / "script").write_text(out)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


def fish_offers(words):
    """Return what fish offers after a line; the last word is under way."""
    line = shlex.join(["autodiff", *words[:-1]]) + f" {words[-1]}"
    driver = f"source script; complete --do-complete {shlex.quote(line)}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", driver],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def zsh_offers(words, awaited):
    """Return the words that zsh lists on a terminal after a line and two tabs."""
    line = shlex.join(["autodiff", *words[:-1]]) + f" {words[-1]}"
    start = "PS1=; autoload -Uz compinit; compinit -u -D; source script; print ready"
    driver = f"""
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell {shlex.quote(start)}
        zpty -r -m shell seen '*ready*ready*'
        zpty -w -n shell {shlex.quote(line)}$'\\t\\t'
        zpty -r -m shell shown '*{awaited}*'
        sleep 0.5
        while zpty -r -t shell part; do shown+=$part; done
        print -r -- "$shown"
    """
    done = subprocess.run(
        ["zsh", "-f", "-c", driver],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", done.stdout)
    listed = shown.splitlines()[1:]  # after the line itself
    return [word for line in listed for word in re.split(r"\s+(?:--\s.*)?", line)]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], ["check", "compare", "completion", "explain", "fit", "predict"]),
        (["fit", "y ~ a*x", "--lo"], ["--loss", "--loss-scale"]),
        (["fit", "y ~ a*x", "--se", ""], ["auto", "hessian", "jtj", "sandwich"]),
        (["explain", "U17"], [code for code in codes() if code.startswith("U17")]),
        (["completion", ""], ["bash", "fish", "zsh"]),
        (["fit", "y ~ a*x", "--save", "da"], ["data.csv", "data.json"]),
    ],
)
def test_other_shells_complete(run, tmp_path, shell, words, expected):
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    _, script, _ = run("completion", shell)
    (tmp_path / "script").write_text(script)
    for name in ("data.csv", "data.json", "more.csv"):
        (tmp_path / name).touch()
    is_zsh = shell == "zsh"
    offered = zsh_offers(words, expected[-1]) if is_zsh else fish_offers(words)
    known = [word for word in offered if word in (*expected, "more.csv", "--where")]
    assert sorted(set(known)) == sorted(expected)


# ---- terminals ----------------------------------------------------------------------


def on_terminal(*argv, **environment):
    """Return what the command writes to a terminal."""
    ours, theirs = pty.openpty()
    settings = {**os.environ, "TERM": "xterm", "COLUMNS": "80", **environment}
    settings.pop("NO_COLOR", None) if "NO_COLOR" not in environment else None
    with subprocess.Popen(
        [*COMMAND, *argv], stdout=theirs, stderr=theirs, stdin=theirs, env=settings
    ) as process:
        os.close(theirs)
        parts = []
        try:
            while part := os.read(ours, 65536):
                parts.append(part)
        except OSError:  # the end of a terminal on Linux
            pass
    os.close(ours)
    return process.returncode, b"".join(parts).decode().replace("\r\n", "\n")


def test_colours_are_for_terminals():
    code, text = on_terminal("fit", "y ~ w*x + b", LINE)
    assert code == 0
    assert "\033[32mconverged\033[0m" in text


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colours_gets_none(settings):
    assert "\033" not in on_terminal("fit", "y ~ w*x + b", LINE, **settings)[1]


def test_nobody_waits_for_a_table_to_be_typed():
    code, text = on_terminal("fit", "y ~ w*x + b")
    assert code == 2
    assert "no data: name a file, or pipe a table" in text


def test_help_of_every_command_opens_with_examples(run):
    for command in ("fit", "predict", "compare", "check", "explain", "completion"):
        code, out, err = run(command, "--help")
        assert (code, err) == (0, "")
        assert out.startswith("examples:\n  ")
        assert f"autodiff {command} " in out.splitlines()[1] or command == "completion"
