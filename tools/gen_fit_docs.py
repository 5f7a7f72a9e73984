"""Write what is generated for the fit: docs/codes.md and docs/autodiff.1.

The pages of the codes and the parser are the sources. Run as ``python
tools/gen_fit_docs.py``; with ``--check`` nothing is written, and the exit code is 1 if
a file is not current.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def codes_page() -> str:
    """Return docs/codes.md: every code with its page, by family."""
    from autodiff.fit.catalogue import FAMILIES, codes, page

    lines = [
        "# Codes",
        "",
        "<!-- Written by tools/gen_fit_docs.py from the pages; do not edit. -->",
        "",
        "Every error, verdict and warning of `autodiff fit` ends in a code between",
        "brackets. `autodiff explain CODE` prints its page; these are all of them.",
    ]
    family = ""
    for code in codes():
        if code[0] != family:
            family = code[0]
            lines += ["", f"## {FAMILIES[family]}"]
        found = page(code)
        lines += ["", f"### {code}: {found.title}", "", found.text]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Return text for roff: backslashes and hyphens stay what they are."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\n".join(f"\\&{t}" if t[:1] in (".", "'") else t for t in text.split("\n"))


def _example(text: str) -> list[str]:
    body = [line[2:] for line in text.splitlines()[1:]]
    return [".nf", *map(_escaped, body), ".fi"]


def _argument(action: argparse.Action) -> list[str]:
    """Return an argument as a tagged paragraph."""
    value = ""
    if action.nargs != 0 and action.option_strings:
        word = "|".join(map(str, action.choices or ())) or action.metavar
        value = str(word or action.dest.upper())
    optional = action.nargs == "?"
    names = ", ".join(f"\\fB{_escaped(text)}\\fR" for text in action.option_strings)
    if not names:
        names = f"\\fI{_escaped(str(action.metavar or action.dest))}\\fR"
    if value:
        shown = f"\\fI{_escaped(value)}\\fR"
        names += f" [{shown}]" if optional else f" {shown}"
    return [".TP", names, _escaped(action.help or "")]


def man_page() -> str:
    """Return docs/autodiff.1, the manual page, from the parser."""
    from autodiff.fit.command.arguments import (
        COMMANDS,
        DESCRIPTION,
        EPILOG,
        EXAMPLES,
        FIT_EPILOG,
        build_parser,
    )

    lines = [
        '.\\" Written by tools/gen_fit_docs.py from the parser; do not edit.',
        '.TH AUTODIFF 1 "" "autodiff" "User Commands"',
        ".SH NAME",
        "autodiff \\- fit a formula to data, with exact derivatives",
        ".SH SYNOPSIS",
    ]
    for name in COMMANDS:
        lines += [f"\\fBautodiff {name}\\fR [\\fIarguments\\fR]", ".br"]
    lines += [".SH DESCRIPTION", _escaped(DESCRIPTION), _escaped(FIT_EPILOG.strip())]
    parser = build_parser()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                command = COMMANDS[name]
                lines += [
                    f".SH AUTODIFF {name.upper()}",
                    _escaped(f"{one.description}"),
                ]
                for own in one._actions:
                    if own.dest != "help":
                        lines += _argument(own)
                lines += [".PP", "Examples:", ".PP", *_example(command.examples)]
    lines += [".SH EXIT STATUS", _escaped(EPILOG.strip()), ".SH EXAMPLES"]
    lines += _example(EXAMPLES)
    lines += [".SH ENVIRONMENT"]
    environment = {
        "NO_COLOR": "no colours, also on a terminal",
        "COLUMNS": "width of a plot in the terminal",
        "AUTODIFF_TRACEBACK": "where set, a fault of the program shows its traceback",
    }
    for name, text in environment.items():
        lines += [".TP", f"\\fB{name}\\fR", _escaped(text)]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the files, or check that they are current."""
    files = {"docs/codes.md": codes_page(), "docs/autodiff.1": man_page()}
    stale = []
    for name, text in files.items():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"not current: {', '.join(stale)}; run python tools/gen_fit_docs.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
