"""The ``autodiff`` command."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from autodiff.fit.errors import FitError, FormulaError, UsageError, excerpt

__all__ = ["main"]

EXAMPLES = """\
examples:
  autodiff fit 'y ~ w*x + b' data.csv
  autodiff fit 'y ~ b1*(1 - exp(-b2*x))' data.csv -p b1=500 -p b2=0.0001
  printf '0,3\\n1,8\\n2,13\\n3,18\\n' | autodiff fit 'y ~ w*x + b' - --columns x,y
  autodiff fit 'y ~ w*x + b' data.csv --method sgd --lr 0.1 -p w=8 -p b=8
"""

NOTES = """\
A name in the formula that is a column is data, every other name is a parameter.
Powers are ^ or **, ln is log, pi and e are constants. Exit codes: 0 converged,
2 usage or formula, 3 data, 4 not converged, 5 not determinable.
"""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and ours."""

    def error(self, message: str) -> NoReturn:
        raise UsageError("U170", f"{message}; see {self.prog} --help")

    def format_help(self) -> str:
        """Open with examples."""
        return f"{EXAMPLES}\n{super().format_help()}"


def _parser() -> _Parser:
    parser = _Parser(
        prog="autodiff",
        description="Exact derivatives; fit a formula to data.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    # A given prog keeps argparse from laying out a usage line, which loads a lot.
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", prog="autodiff")
    fit = commands.add_parser(
        "fit",
        help="fit a formula to data by least squares",
        description="Fit a formula to data by least squares.",
        epilog=NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_options(fit)
    return parser


def _add_options(fit: argparse.ArgumentParser) -> None:
    fit.add_argument("formula", metavar="FORMULA", help="as in 'y ~ w*x + b'")
    fit.add_argument(
        "file", metavar="FILE", nargs="?", default="-", help="table of data; - is stdin"
    )
    fit.add_argument(
        "-p",
        dest="start",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="start value of a parameter",
    )
    fit.add_argument(
        "--columns", metavar="NAMES", help="names for a file without a header: x,y"
    )
    fit.add_argument(
        "--method",
        choices=("lm", "sgd"),
        default="lm",
        help="lm: to full precision (default); sgd: gradient descent a row at a time",
    )
    fit.add_argument("--lr", type=float, help="step of --method sgd (0.01)")
    fit.add_argument("--epochs", type=int, help="passes of --method sgd (100)")
    fit.add_argument(
        "--level", type=float, default=0.95, help="probability of intervals (0.95)"
    )
    output = fit.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="all digits, as JSON")
    output.add_argument(
        "--plain", action="store_true", help="name, estimate, se, lo, hi, tabs between"
    )
    output.add_argument("-q", "--quiet", action="store_true", help="print nothing")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        The exit code: 0 converged, 2 usage or formula, 3 data, 4 not converged,
        5 not determinable.
    """
    try:
        return _run(argv)
    except FitError as error:
        _complain(str(error))
        if isinstance(error, FormulaError):
            print(error.caret(), file=sys.stderr)
        return error.exit_code
    except SystemExit as stop:  # argparse, after --help
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return 130
    except MemoryError:
        _complain("not enough memory for these data")
        return 3
    except BrokenPipeError:  # the reader has gone
        _abandon_output()
        return 141
    except OSError as error:  # the disk is full
        _abandon_output()
        _complain(f"cannot write the result: {error.strerror}")
        return 1


def _abandon_output() -> None:
    """Keep the interpreter from trying once more, and complaining, at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str) -> None:
    line = " ".join(message.split())
    print(f"autodiff: {line}", file=sys.stderr)


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    options = parser.parse_args(argv)
    if options.version:
        import autodiff

        print(f"autodiff {autodiff.__version__}")
        return 0
    if options.command is None:
        parser.error("a command is missing, as in: autodiff fit 'y ~ w*x + b' data.csv")
    if sys.stdout is None:
        raise UsageError("U171", "standard output is closed; send it somewhere")
    if isinstance(sys.stdout, io.TextIOWrapper):  # names the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    code = _fit(options)
    sys.stdout.flush()
    return code


def _fit(options: argparse.Namespace) -> int:
    from autodiff.fit.formula.parse import parse

    start = _start_values(options.start)
    columns = _column_names(options.columns)
    if options.method != "sgd" and (options.lr, options.epochs) != (None, None):
        raise UsageError("U172", "--lr and --epochs belong to --method sgd; add it")
    parse(options.formula)  # a faulty formula is told before standard input is read
    if options.file == "-" and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError(
            "U173", "no data: name a file, or pipe a table into the command"
        )

    from autodiff.fit.api import fit_problem as fit_and_summarize
    from autodiff.fit.data.text import read_table
    from autodiff.fit.options import Options
    from autodiff.fit.problem import pose

    table = read_table(options.file, columns=columns)
    text = not (options.json or options.plain or options.quiet)
    wanted = Options(
        method=options.method,
        lr=0.01 if options.lr is None else options.lr,
        epochs=100 if options.epochs is None else options.epochs,
        level=options.level,
    )
    problem = pose(options.formula, table, start)
    result = fit_and_summarize(problem, wanted, _print_loss if text else None)
    from autodiff.fit.output import report

    for warning in result.warnings:
        _complain(f"note: {warning}")
    if options.json:
        print(report.json_report(result))
    if not result.converged:
        _complain(f"{result.verdict}: {result.reason}")
    elif options.plain:
        print(report.plain_report(result))
    elif text:
        print(report.text_report(result))
    return result.exit_code


def _print_loss(epoch: int, row: int, loss: float) -> None:
    print(f"epoch {epoch} row {row} loss {loss:.10g}")


def _start_values(texts: Sequence[str]) -> dict[str, float]:
    import math

    start: dict[str, float] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (name and equals and math.isfinite(number)):
            raise UsageError(
                "U111", f"-p {excerpt(text)}: expected NAME=NUMBER, as in -p b=1"
            )
        if name in start:
            raise UsageError("U118", f"-p {name}: given twice; keep one")
        start[name] = number
    return start


def _column_names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise UsageError("U112", f"--columns {excerpt(text)}: an empty name; as in x,y")
    return names
