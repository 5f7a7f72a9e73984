"""A fitted formula as code: a function of C, or of Python with `math` alone; LaTeX.

Parameters are constants with all 17 digits, columns are arguments; columns of words are
strings. The formula itself is written by the dialects of `formula/`.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Sequence

from autodiff.fit.errors import FormulaError, UsageError, suggestion
from autodiff.fit.formula.functions import functions
from autodiff.fit.formula.parse import Node, parse
from autodiff.fit.formula.printing import identifier, plain_name
from autodiff.fit.stats.result import FitResult

__all__ = ["LANGUAGES", "export"]

LANGUAGES = ("c", "python", "latex")
UNKNOWN = "A level that was not in the data"

# Names that mean something else in one of the languages.
_TAKEN = frozenset(
    "auto char const default do double enum extern float goto int inline long main "
    "math model bool max min abs round register restrict short signed sizeof static "
    "strcmp struct switch typedef union unsigned void volatile case NAN INFINITY NULL "
    "y0 y1 yn j0 j1 jn gamma signgam pow pi e M_PI linux unix".split()
) | frozenset(keyword.kwlist)


def export(result: FitResult, language: str) -> str:
    """Return a fitted formula as code or as LaTeX.

    Parameters
    ----------
    result : FitResult
        A fit that converged.
    language : {'c', 'python', 'latex'}
        C99, Python 3 with the module `math`, or LaTeX with amsmath.

    Raises
    ------
    UsageError
        If the fit did not converge, or the language has no word for a function.

    Examples
    --------
    >>> import autodiff as ad
    >>> line = ad.fit("y ~ w*x + b", {"x": [0, 1, 2, 3], "y": [3, 8, 13, 18]})
    >>> print(export(line, "python"))
    # y ~ w*x + b, fitted to 4 rows: the right-hand side.
    import math
    <BLANKLINE>
    <BLANKLINE>
    def model(x):
        w = 5.0
        b = 3.0
        return w*x + b
    """
    if language not in LANGUAGES:
        close = suggestion(language, LANGUAGES)
        raise UsageError(
            "U175", f"export {language!r}: expected {', '.join(LANGUAGES)}{close}"
        )
    if not result.converged:
        raise UsageError("U176", f"nothing to export: the fit is {result.verdict}")
    if language == "latex":
        from autodiff.fit.output.latex import latex_report

        return latex_report(result)
    parts = _Parts(result)
    try:
        return _c_file(parts) if language == "c" else _python_file(parts)
    except FormulaError as error:
        raise UsageError(
            "U177", f"export: {error.message.partition(': ')[2]}"
        ) from None


class _Parts:
    """What a function is made of: names, constants, arguments, nodes."""

    def __init__(self, result: FitResult) -> None:
        formula = " ".join(result.formula.split())
        self.title = f"{formula}, fitted to {result.n} rows: the right-hand side."
        self.nodes = parse(result.formula).rhs
        values = {name: p.estimate for name, p in result.parameters.items()}
        self.words: set[str] = set()
        self.levels: dict[str, tuple[str, dict[str, float]]] = {}
        written: dict[str, None] = {}
        for node in self.nodes:
            if node.kind == "name":
                written[plain_name(node)] = None
                if node.level:
                    written[node.level] = None
                    self.words.add(node.level)
                    self.levels[plain_name(node)] = node.level, _by_level(node, values)
            elif node.kind in ("==", "!="):
                self.words |= _words(node, self.nodes)
        self.names = _names(list(written))
        self.constants = {name: values[name] for name in written if name in values}
        self.arguments = [
            name
            for name in written
            if name not in self.constants and name not in self.levels
        ]


def _by_level(node: Node, values: dict[str, float]) -> dict[str, float]:
    head = f"{node.text}["
    return {n[len(head) : -1]: v for n, v in values.items() if n.startswith(head)}


def _words(node: Node, nodes: Sequence[Node]) -> set[str]:
    """Return the column that a comparison compares with a word, if it does."""
    sides = [nodes[index] for index in node.operands]
    if not any(side.kind == "text" for side in sides):
        return set()
    return {side.text for side in sides if side.kind == "name"}


def _names(written: Sequence[str]) -> dict[str, str]:
    """Return a name for code for each name, all different."""
    found: dict[str, str] = {}
    reserved = {*_TAKEN, *functions()}
    for name in written:
        base = identifier(name)
        base = f"v{base}" if base.startswith("_") else base
        word, count = base, 1
        while word in reserved or word in found.values():
            word, count = f"{base}_{count}", count + 1
        found[name] = word
    return found


# ---- Python -------------------------------------------------------------------------


def _python_file(parts: _Parts) -> str:
    from autodiff.fit.output.math_code import math_helpers, to_math

    lines = [f"{parts.names[name]} = {v!r}" for name, v in parts.constants.items()]
    for name, (column, values) in parts.levels.items():
        pairs = [f"    {json.dumps(level)}: {v!r}," for level, v in values.items()]
        lines += [f"{parts.names[name]} = {{", *pairs, f"}}[{parts.names[column]}]"]
    lines.append(f"return {to_math(parts.nodes, parts.names)}")
    arguments = ", ".join(parts.names[name] for name in parts.arguments)
    body = "".join(f"\n    {line}" for line in lines)
    pieces = [*math_helpers(parts.nodes), f"def model({arguments}):{body}"]
    head = f"# {parts.title}\n"
    head += f"# {UNKNOWN} raises KeyError.\n" if parts.levels else ""
    return f"{head}import math\n\n\n" + "\n\n".join(pieces)


# ---- C ------------------------------------------------------------------------------


def _c_file(parts: _Parts) -> str:
    from autodiff.fit.formula.c_code import c_definitions, to_c

    nodes, questions = _without_words(parts)
    lines = [
        f"const double {parts.names[name]} = {value!r};"
        for name, value in parts.constants.items()
    ]
    for name, (column, values) in parts.levels.items():
        lines.append(f"const double {parts.names[name]} =")
        for level, value in values.items():
            asked = f"strcmp({parts.names[column]}, {_c_string(level)})"
            lines.append(f"    {asked} == 0 ? {value!r} :")
        lines.append("    NAN;")
    lines += questions
    lines.append(f"return {_bare(to_c(nodes, parts.names))};")
    arguments = ", ".join(
        f"const char *{parts.names[name]}"
        if name in parts.words
        else f"double {parts.names[name]}"
        for name in parts.arguments
    )
    helpers = c_definitions(nodes)
    title = parts.title.replace("*/", "* /").replace("/*", "/ *")
    head = f"/* {title} */\n"
    head += f"/* {UNKNOWN} gives NaN. */\n" if parts.levels else ""
    head += "#include <math.h>\n"
    head += "#include <string.h>\n" if parts.words else ""
    prototype = f"double model({arguments or 'void'})"
    body = "".join(f"    {line}\n" for line in lines)
    gap = "\n" if helpers else ""
    return f"{head}\n{helpers}{gap}{prototype};\n\n{prototype}\n{{\n{body}}}"


def _without_words(parts: _Parts) -> tuple[list[Node], list[str]]:
    """Ask comparisons with words first; the nodes name the answers."""
    nodes, lines = list(parts.nodes), list[str]()
    for index, node in enumerate(nodes):
        if node.kind not in ("==", "!=") or not _words(node, nodes):
            continue
        sides = [nodes[i] for i in node.operands]
        texts = [
            _c_string(side.text) if side.kind == "text" else parts.names[side.text]
            for side in sides
        ]
        name = f"is_{len(lines) + 1}"
        while name in parts.names.values():
            name += "_"
        parts.names[name] = name
        lines.append(f"const int {name} = strcmp({', '.join(texts)}) {node.kind} 0;")
        nodes[index] = Node("name", name, 0.0, (), node.start, node.stop)
    return [node if node.kind != "text" else _zero(node) for node in nodes], lines


def _zero(node: Node) -> Node:
    return Node("number", "0", 0.0, (), node.start, node.stop)


def _c_string(text: str) -> str:
    escaped = re.sub(r'(["\\?])', r"\\\1", text)
    return f'"{escaped}"'


def _bare(text: str) -> str:
    """Take off parentheses around all of an expression."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[1:-1] if at == len(text) - 1 else text
    return text
