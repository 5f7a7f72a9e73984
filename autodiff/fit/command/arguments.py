"""The arguments of every command: one place for parser, help, completion and man page.

A command's options are added when they are needed: a fit does not lay out those of the
others. Nothing here decides what a value means.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from autodiff.fit.errors import UsageError, suggestion
from autodiff.fit.options import INTERVALS, LOSSES, METHODS, STANDARD_ERRORS

__all__ = ["COMMANDS", "Command", "Parser", "build_parser", "parse_arguments"]

DESCRIPTION = "Fit a formula to data, with exact derivatives and honest errors."

EXAMPLES = """\
examples:
  autodiff fit 'y ~ w*x + b' data.csv
  autodiff fit 'y ~ b1*(1 - exp(-b2*x))' data.csv -p b1=500 -p 'b2=1e-4 in 0..inf'
  printf '0,3\\n1,8\\n2,13\\n3,18\\n' | autodiff fit 'y ~ w*x + b' - --columns x,y
  autodiff fit 'y ~ a*exp(-b*x) + c' data.csv --plot fit.svg --save model.json
  autodiff predict model.json new.csv
  autodiff explain D104
"""

EPILOG = """\
Results go to standard output, notes and errors to standard error. Exit codes:
0 converged, 2 usage or formula, 3 data, 4 not converged, 5 not determinable.
Every error, verdict and warning ends in a code: autodiff explain CODE.
"""

FIT_EXAMPLES = """\
examples:
  autodiff fit 'y ~ w*x + b' data.csv
  autodiff fit 'y ~ b1*(1 - exp(-b2*x))' data.csv -p b1=500 -p 'b2=1e-4 in 0..inf'
  printf '0,3\\n1,8\\n2,13\\n3,18\\n' | autodiff fit 'y ~ w*x + b' - --columns x,y
  autodiff fit 'rate ~ Vm[state]*conc/(K + conc)' puromycin.csv --plot
  autodiff fit 'y ~ a*exp(-b*x)' data.csv --sigma dy --derive 't_half=log(2)/b'
  autodiff fit 'y ~ a*exp(-b*x)' data.csv --by sample --csv > fits.csv
  autodiff fit 'y ~ w*x + b' data.csv --method sgd --lr 0.1 -p w=8 -p b=8
"""

FIT_EPILOG = """\
A name in the formula that is a column is data, every other name is a parameter.
Powers are ^ or **, ln is log, pi and e are constants; a if x < x0 else b chooses;
Vm[state] is one Vm for each level of the column state; `odd name` quotes a column.
"""


class Command(NamedTuple):
    """A command: one line of help, examples, and what adds its arguments."""

    help: str
    examples: str
    add: Callable[[argparse.ArgumentParser], None]
    epilog: str = ""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """A formatter of help that is told its width: finding it out loads a lot.

    The parser makes one for every argument that is added.
    """

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog, **{"width": _width(), **more})


def _width() -> int:
    """Return the width of help, as argparse finds it."""
    try:
        return int(os.environ["COLUMNS"]) - 2
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size(1).columns - 2
    except (OSError, ValueError):
        return 78


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours, and whose help opens with examples."""

    examples = ""

    def error(self, message: str) -> NoReturn:
        """Raise an error of ours instead of ending the process."""
        raise UsageError("U170", f"{message}; see {self.prog} --help")

    def format_help(self) -> str:
        """Open with examples."""
        return f"{self.examples}\n{super().format_help()}"


def build_parser(only: str | None = None) -> Parser:
    """Return the parser.

    Parameters
    ----------
    only : str, optional
        The one command whose options are needed; all of them if left out.
    """
    parser = Parser(
        prog="autodiff",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.examples = EXAMPLES
    parser.add_argument("--version", action="store_true", help="print the version")
    # A given prog keeps argparse from laying out a usage line, which loads a lot.
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", prog="autodiff")
    for name, command in COMMANDS.items():
        one = commands.add_parser(
            name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=command.epilog,
            formatter_class=Formatter,
            allow_abbrev=False,
        )
        one.examples = command.examples
        if only in (None, name):
            command.add(one)
    return parser


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments, or say what is wrong with them.

    Parameters
    ----------
    argv : sequence of str
        Without the program's name.

    Raises
    ------
    UsageError
        With the nearest command or option, where one is misspelt.
    """
    first = next((word for word in argv if not word.startswith("-")), None)
    if first is not None and argv[0] == first and first not in COMMANDS:
        close = suggestion(first, COMMANDS)
        cure = close or f"; expected {', '.join(COMMANDS)}"
        if first in ("help", "version"):
            cure = f"; did you mean --{first}?"
        if "~" in first:
            cure = "; a formula follows a command, as in: autodiff fit 'y ~ w*x + b'"
        raise UsageError("U170", f"there is no command {first[:40]!r}{cure}")
    parser = build_parser(first if first in COMMANDS else None)
    if argv and argv[0] in COMMANDS:
        argv = [argv[0], *_gathered(_of_command(parser, argv[0]), argv[1:])]
    found, unknown = parser.parse_known_args(argv)
    if unknown:
        option = next((word for word in unknown if word[:1] == "-"), unknown[0])
        raise UsageError("U170", _unknown(parser, found, option))
    return found


def _gathered(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """Return the words of a command with those that belong to no option together.

    argparse takes a formula and a file only where no option stands between them.
    """
    options: list[str] = []
    apart: list[str] = []
    rest = list(words)
    while rest and rest[0] != "--":
        word = rest.pop(0)
        if parser._parse_optional(word) is None:
            apart.append(word)
            continue
        options.append(word)
        action = parser._option_string_actions.get(word)
        takes_value = action is not None and action.nargs in (None, "?")
        if takes_value and rest and parser._parse_optional(rest[0]) is None:
            options.append(rest.pop(0))
    if rest:  # what follows -- is no option, whatever it looks like
        return [*options, "--", *apart, *rest[1:]]
    return [*apart, *options]


def _unknown(parser: Parser, found: argparse.Namespace, word: str) -> str:
    command = getattr(found, "command", None)
    prog = f"autodiff {command}" if command else "autodiff"
    if not word.startswith("-"):
        return f"one argument too many: {word[:40]!r}; see {prog} --help"
    options = [text for text in _options(parser, command) if text.startswith("--")]
    close = suggestion(word.partition("=")[0], options)
    return f"there is no option {word[:40]!r}{close}; see {prog} --help"


def _options(parser: argparse.ArgumentParser, command: str | None) -> list[str]:
    parser = _of_command(parser, command) if command else parser
    return [text for action in parser._actions for text in action.option_strings]


def _of_command(
    parser: argparse.ArgumentParser, command: str
) -> argparse.ArgumentParser:
    """Return the parser of a command's own arguments."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found: argparse.ArgumentParser = action.choices[command]
            return found
    raise KeyError(command)


def _add_data(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--columns", metavar="NAMES", help="names for a file without a header: x,y")
    add("--skip", type=int, metavar="N", help="lines to leave out at the beginning")
    add("--where", metavar="EXPR", help="rows to use, as 'x > 0 and x < 10'")


def _add_problem(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "-p",
        dest="start",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="start value, and bounds if wanted: -p b=1, -p 'b=1 in 0..inf'",
    )
    repeated: dict[str, Any] = {"action": "append", "default": []}
    add("--fix", metavar="NAME=VALUE", help="hold a parameter", **repeated)
    add("--tie", metavar="NAME=EXPR", help="a parameter by others: tau=1/b", **repeated)
    add("--sigma", metavar="EXPR", help="standard deviations, absolute, in unit of y")
    add("--weight", metavar="EXPR", help="relative weights of squared residuals")
    add("--loss", choices=LOSSES, default="normal", help="default: normal")
    add("--loss-scale", type=float, metavar="C", help="where a robust loss bends")
    add("--trials", metavar="EXPR", help="numbers of trials, for --loss binomial")


def _add_method(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--starts", metavar="N", default="auto", help="starting points tried (auto)")
    add(
        "--method",
        choices=METHODS,
        default="lm",
        help="lm: to full precision (default); sgd: gradient descent a row at a time",
    )
    add("--lr", type=float, help="step of --method sgd (0.01)")
    add("--epochs", type=int, help="passes of --method sgd (100)")
    add(
        "--max-evaluations",
        type=int,
        metavar="N",
        default=20_000,
        help="most passes over the rows, of all starts and to the last polishing step; "
        "refits of intervals do not count (20000)",
    )


def _add_statistics(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--derive",
        metavar="NAME=EXPR",
        action="append",
        default=[],
        help="a quantity computed from parameters, with its error: 't_half=log(2)/b'",
    )
    add("--se", choices=STANDARD_ERRORS, default="auto", help="standard errors (auto)")
    add("--ci", choices=INTERVALS, default="auto", help="intervals (auto)")
    add("--level", type=float, default=0.95, help="probability of intervals (0.95)")


def _add_formats(parser: argparse.ArgumentParser, *, plain: str) -> None:
    output = parser.add_mutually_exclusive_group()
    add = output.add_argument
    add("--json", action="store_true", help="all digits, as JSON")
    add("--csv", action="store_true", help="all digits, as CSV")
    add("--md", action="store_true", help="a Markdown table")
    add("--plain", action="store_true", help=plain)
    add("-q", "--quiet", action="store_true", help="print nothing; see the exit code")


def _add_fit(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("formula", metavar="FORMULA", help="as in 'y ~ w*x + b'")
    add("file", metavar="FILE", nargs="?", default="-", help="table; - is stdin")
    _add_data(parser)
    add("--by", metavar="COLUMN", help="one fit for each value of a column")
    _add_problem(parser)
    _add_method(parser)
    _add_statistics(parser)
    _add_formats(parser, plain="name, estimate, se, lo, hi, tabs between")
    add(
        "--export",
        choices=("c", "python", "latex"),
        help="print the fitted formula as code",
    )
    add(
        "--plot",
        metavar="FILE",
        nargs="?",
        const="",
        help="plot in the terminal, or into a PNG or SVG file",
    )
    add("--save", metavar="FILE", help="save the model for autodiff predict")


def _add_predict(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="written by autodiff fit --save")
    add("file", metavar="FILE", nargs="?", default="-", help="table; - is stdin")
    _add_data(parser)
    add("--level", type=float, help="probability of the bands (that of the fit)")
    _add_formats(parser, plain="tabs between, no header")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("models", metavar="MODEL", nargs="+", help="saved models, or formulas")
    add("--data", metavar="FILE", help="table of all fits; - is stdin")
    _add_data(parser)
    _add_problem(parser)
    _add_formats(parser, plain="tabs between, no header")


def _add_check(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("formula", metavar="FORMULA", help="as in 'y ~ w*x + b'")
    add("file", metavar="FILE", nargs="?", help="table: which names are columns")
    add("--columns", metavar="NAMES", help="names of columns: x,y")
    add("--skip", type=int, metavar="N", help="lines to leave out at the beginning")
    add("--json", action="store_true", help="as JSON")


def _add_explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "code", metavar="CODE", nargs="?", help="as in [D104]; all codes if left out"
    )


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


COMMANDS = {
    "fit": Command("fit a formula to data", FIT_EXAMPLES, _add_fit, FIT_EPILOG),
    "predict": Command(
        "evaluate a saved model, with bands",
        """\
examples:
  autodiff predict model.json new.csv
  printf 'x\\n1\\n2\\n' | autodiff predict model.json - --csv
""",
        _add_predict,
    ),
    "compare": Command(
        "say which of several models the data prefer",
        """\
examples:
  autodiff compare --data data.csv 'y ~ a + b*x' 'y ~ a + b*x + c*x^2'
  autodiff compare line.json curve.json
  autodiff compare line.json curve.json --data data.csv
""",
        _add_compare,
    ),
    "check": Command(
        "show how a formula is understood, without a fit",
        """\
examples:
  autodiff check 'y ~ a*exp(-b*x)' data.csv
  autodiff check 'y ~ a*exp(-b*x)' --columns x,y
""",
        _add_check,
    ),
    "explain": Command(
        "explain a code of an error or a warning",
        """\
examples:
  autodiff explain D104
  autodiff explain
""",
        _add_explain,
    ),
    "completion": Command(
        "print a script that completes commands in a shell",
        """\
examples:
  source <(autodiff completion bash)
  autodiff completion fish > ~/.config/fish/completions/autodiff.fish
""",
        _add_completion,
    ),
}
