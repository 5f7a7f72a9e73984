"""What C and Python call the functions of formulas, and how they write a function.

A function is in the language's library under some name, or a helper of one line, or not
to be had. The helpers hold their digits where the plain formula would not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

__all__ = ["C", "PYTHON", "Language"]

_SAME = (
    "sqrt exp expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 "
    "sinh cosh tanh asinh acosh atanh erf erfc lgamma floor ceil trunc hypot fmod "
    "copysign pow".split()
)

# name -> (arguments, value in C, value in Python; in Python math's names are bare)
_HELPERS = {
    "neg": ("x", "-x", "-x"),
    "add": ("x, y", "x + y", "x + y"),
    "sub": ("x, y", "x - y", "x - y"),
    "mul": ("x, y", "x * y", "x * y"),
    "div": ("x, y", "x / y", "x / y"),
    "where": ("c, x, y", "c != 0 ? x : y", "x if c else y"),
    "reciprocal": ("x", "1 / x", "1 / x"),
    "square": ("x", "x * x", "x * x"),
    "fma": ("x, y, z", "fma(x, y, z)", "x * y + z"),
    "remainder": ("x, y", "x - y * floor(x / y)", "x - y * math.floor(x / y)"),
    "rsqrt": ("x", "1 / sqrt(x)", "1 / math.sqrt(x)"),
    "cbrt": ("x", "cbrt(x)", "math.copysign(abs(x) ** (1 / 3), x)"),
    "exp2": ("x", "exp2(x)", "math.pow(2.0, x)"),
    "logaddexp": (
        "x, y",
        "x == y ? x + log(2.0) : fmax(x, y) + log1p(exp(-fabs(x - y)))",
        "max(x, y) + math.log1p(math.exp(-abs(x - y)))",
    ),
    "xlogy": ("x, y", "x == 0 ? 0.0 : x * log(y)", "x * math.log(y) if x else 0.0"),
    "xlog1py": (
        "x, y",
        "x == 0 ? 0.0 : x * log1p(y)",
        "x * math.log1p(y) if x else 0.0",
    ),
    "sinc": (
        "x",
        "x == 0 ? 1.0 : sin(3.141592653589793 * x) / (3.141592653589793 * x)",
        "math.sin(math.pi * x) / (math.pi * x) if x else 1.0",
    ),
    "deg2rad": ("x", "x * (3.141592653589793 / 180)", "math.radians(x)"),
    "rad2deg": ("x", "x * (180 / 3.141592653589793)", "math.degrees(x)"),
    "sigmoid": (
        "x",
        "x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x))",
        "1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))",
    ),
    "softplus": (
        "x",
        "fmax(x, 0.0) + log1p(exp(-fabs(x)))",
        "max(x, 0.0) + math.log1p(math.exp(-abs(x)))",
    ),
    "relu": ("x", "x > 0 ? x : 0.0", "x if x > 0 else 0.0"),
    "logit": ("x", "log(x / (1 - x))", "math.log(x / (1 - x))"),
    "ndtr": (
        "x",
        "0.5 * erfc(-x / 1.4142135623730951)",
        "0.5 * math.erfc(-x / 1.4142135623730951)",
    ),
    "abs": ("x", "fabs(x)", "abs(x)"),
    "sign": ("x", "(double)((x > 0) - (x < 0))", "float((x > 0) - (x < 0))"),
    "round": ("x", "rint(x)", "float(round(x))"),
    "maximum": ("x, y", "x > y ? x : y", "x if x > y else y"),
    "minimum": ("x, y", "x < y ? x : y", "x if x < y else y"),
    "fmax": ("x, y", "fmax(x, y)", "max(x, y)"),
    "fmin": ("x, y", "fmin(x, y)", "min(x, y)"),
    "clip": (
        "x, lo, hi",
        "x < lo ? lo : x > hi ? hi : x",
        "lo if x < lo else hi if x > hi else x",
    ),
}


class Language(Protocol):
    """What is different between languages."""

    name: str

    def function(self, name: str) -> tuple[str | None, str]:
        """Return what a function is called, and a helper that defines it, or ''."""

    def string(self, text: str) -> str:
        """Return a literal."""

    def compare_words(self, kind: str, left: str, right: str) -> str:
        """Return a comparison of strings."""

    def logic(self, kind: str, sides: Sequence[str]) -> str:
        """Return and, or, not of its operands."""

    def choice(self, condition: str, yes: str, no: str) -> str:
        """Return one of two values."""

    def constant(self, name: str, value: float) -> str:
        """Return the definition of a constant."""

    def by_level(
        self, name: str, column: str, values: Mapping[str, float]
    ) -> list[str]:
        """Return the definition of a constant that depends on a word."""

    def file(
        self,
        title: str,
        helpers: Sequence[str],
        arguments: Sequence[tuple[str, bool]],
        body: Sequence[str],
        value: str,
    ) -> str:
        """Return everything; an argument is a name and whether it is a string."""


class _C:
    name = "C"

    def function(self, name: str) -> tuple[str | None, str]:
        if name in _SAME:
            return name, ""
        if name not in _HELPERS:
            return None, ""
        arguments, value, _ = _HELPERS[name]
        declared = ", ".join(f"double {word}" for word in arguments.split(", "))
        word = f"fn_{name}"
        return word, f"static double {word}({declared})\n{{\n    return {value};\n}}\n"

    def string(self, text: str) -> str:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
        return f'"{escaped}"'

    def compare_words(self, kind: str, left: str, right: str) -> str:
        return f"strcmp({left}, {right}) {kind} 0"

    def logic(self, kind: str, sides: Sequence[str]) -> str:
        if kind == "not":
            return f"!{sides[0]}"
        return f" {'&&' if kind == 'and' else '||'} ".join(sides)

    def choice(self, condition: str, yes: str, no: str) -> str:
        return f"{condition} ? {yes} : {no}"

    def constant(self, name: str, value: float) -> str:
        return f"const double {name} = {value!r};"

    def by_level(
        self, name: str, column: str, values: Mapping[str, float]
    ) -> list[str]:
        lines = [f"const double {name} ="]
        for level, value in values.items():
            lines.append(
                f"    strcmp({column}, {self.string(level)}) == 0 ? {value!r} :"
            )
        return [*lines, "    NAN; /* a level that was not in the data */"]

    def file(
        self,
        title: str,
        helpers: Sequence[str],
        arguments: Sequence[tuple[str, bool]],
        body: Sequence[str],
        value: str,
    ) -> str:
        safe = title.replace("*/", "* /").replace("/*", "/ *")
        declared = ", ".join(
            f"const char *{name}" if is_word else f"double {name}"
            for name, is_word in arguments
        )
        words = "#include <string.h>\n" if any(w for _, w in arguments) else ""
        statements = "".join(f"    {line}\n" for line in [*body, f"return {value};"])
        prototype = f"double model({declared or 'void'})"
        return (
            f"/* {safe} */\n#include <math.h>\n{words}\n{prototype};\n\n"
            + "".join(f"{helper}\n" for helper in helpers)
            + f"{prototype}\n{{\n{statements}}}"
        )


class _Python:
    name = "Python's math"

    def function(self, name: str) -> tuple[str | None, str]:
        if name in _SAME:
            return f"math.{name}", ""
        if name not in _HELPERS:
            return None, ""
        arguments, _, value = _HELPERS[name]
        word = f"fn_{name}"
        return word, f"def {word}({arguments}):\n    return {value}\n"

    def string(self, text: str) -> str:
        return json.dumps(text)

    def compare_words(self, kind: str, left: str, right: str) -> str:
        return f"{left} {kind} {right}"

    def logic(self, kind: str, sides: Sequence[str]) -> str:
        return f"not {sides[0]}" if kind == "not" else f" {kind} ".join(sides)

    def choice(self, condition: str, yes: str, no: str) -> str:
        return f"{yes} if {condition} else {no}"

    def constant(self, name: str, value: float) -> str:
        return f"{name} = {value!r}"

    def by_level(
        self, name: str, column: str, values: Mapping[str, float]
    ) -> list[str]:
        pairs = [f"    {json.dumps(k)}: {v!r}," for k, v in values.items()]
        return [f"{name} = {{", *pairs, f"}}[{column}]"]

    def file(
        self,
        title: str,
        helpers: Sequence[str],
        arguments: Sequence[tuple[str, bool]],
        body: Sequence[str],
        value: str,
    ) -> str:
        lines = [f"    {line}" for line in [*body, f"return {value}"]]
        declared = ", ".join(name for name, _ in arguments)
        parts = [*helpers, f"def model({declared}):\n" + "\n".join(lines)]
        return f"# {title}\nimport math\n\n\n" + "\n\n".join(parts)


C = _C()
PYTHON = _Python()
