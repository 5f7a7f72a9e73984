"""Programs as C99 that stands alone: math.h, the helpers that it prints, nothing else.

    int f(const double *const in[], double *const out[], double *work);

`in` and `out` are the program's inputs and outputs, one array each, in C order; a
number is an array of one. `work` has room for f_work doubles; nothing is allocated and
nothing is kept, so threads may call it with work of their own. It returns the number of
the first guard that came out otherwise than when the function was recorded: then the
outputs are those of another path. Else it returns -1.

Scalars become local variables and arrays stretches of `work`, used again once nothing
reads them. Formulas are those of the op table. Sums are added up in order, where a
replay adds in pairs, and elementary functions are the C library's, so results agree to
rounding and not to the bit. Compile with -std=c99 or -ffp-contract=off: the formulas
are written for arithmetic that is not contracted.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from math import inf, prod
from typing import Any

import numpy as np

from autodiff import _core
from autodiff._core import Instruction, Program
from autodiff.errors import ArgumentError
from autodiff.programs.c_helpers import helpers
from autodiff.programs.listing import head, place

Shape = tuple[int, ...]


def to_c(programs: Mapping[str, Program]) -> str:
    """Return C99 text with a function for each program, under its name.

    Parameters
    ----------
    programs
        Such as ``{"f": program, "f_gradient": gradient}``: the names must be those of
        C functions.

    Raises
    ------
    ArgumentError
        When a name is none of C's, or a program needs a LAPACK.

    Notes
    -----
    The text grows with the program; a compiler's time may grow faster.
    """
    functions = []
    for name, program in programs.items():
        if not re.fullmatch(r"[A-Za-z]\w*", name):
            raise ArgumentError(f"{name!r} cannot be the name of a C function")
        functions.append(_Function(program, name, is_static=False).text())
    body = "\n\n".join(functions)
    needed = helpers(body)
    headers = ["#include <math.h>"]
    if re.search(r"\bbool\b", needed):
        headers.append("#include <stdbool.h>")
    top = "/* Written by autodiff. Compile with -std=c99 or -ffp-contract=off. */"
    parts = ["\n".join([top, *headers]), needed, body]
    return "\n\n".join(part for part in parts if part) + "\n"


# ---- Words ---------------------------------------------------------------------------


@cache
def _formulas() -> dict[str, str]:
    return {op.name: op.value for op in _core.ops(internal=True)}


def number(x: float) -> str:
    """Return a double as C, all digits of it."""
    if x != x:
        return "NAN"
    if x in (inf, -inf):
        return "INFINITY" if x > 0 else "(-INFINITY)"
    text = repr(float(x))
    return f"({text})" if text.startswith("-") else text


def _size(shape: Shape) -> int:
    return prod(shape)


def _strides(shape: Shape, to: Shape) -> list[int]:
    """Strides with which an operand of `shape` is read while walking `to`."""
    strides, step = [], 1
    for k in range(1, len(to) + 1):
        extent = shape[-k] if k <= len(shape) else 1
        strides.append(0 if extent == 1 else step)
        step *= extent
    return strides[::-1]


def _index(strides: Iterable[int], offset: int = 0) -> str:
    """Return the place of the element at i0, i1, ..."""
    terms = [str(offset)] if offset else []
    for k, step in enumerate(strides):
        if step:
            terms.append(f"i{k}" if step == 1 else f"{step} * i{k}")
    return " + ".join(terms) or "0"


def _nest(shape: Shape, line: str) -> Iterator[str]:
    """Yield a statement at each i0, i1, ... of a shape."""
    for k, n in enumerate(shape):
        yield f"{'  ' * k}for (long i{k} = 0; i{k} < {n}; i{k}++)"
    yield "  " * len(shape) + line


def _copy(to: str, source: str, n: int) -> str:
    return f"for (long i = 0; i < {n}; i++) {to}[i] = {source}[i];"


# ---- A function ----------------------------------------------------------------------


class _Function:
    """One program as a C function, line by line."""

    def __init__(self, program: Program, name: str, is_static: bool):
        self.program, self.name, self.is_static = program, name, is_static
        self.instructions: list[Instruction] = program.instructions()
        self.lines: list[str] = []
        self.before: list[str] = []  # tables and bodies of loops
        self.places: dict[int, int] = {}  # where in `work` an array begins
        self.free: dict[int, list[int]] = {}  # by size
        self.n_work = 0
        self.owner = list(range(len(self.instructions)))  # whose elements a value shows
        self.last = self._last_uses()
        self.read = {k for i in self.instructions for k in i.args}
        self.read.update(program.outputs, program.guard_values)

    def text(self) -> str:
        """Return all of it: tables, bodies, the function."""
        for at, instruction in enumerate(self.instructions):
            self._emit(at, instruction)
            self._give_back(at, instruction)
        for k, value in enumerate(self.program.outputs):
            n = _size(self.instructions[value].shape)
            if self.instructions[value].shape:
                self._line(_copy(f"out[{k}]", f"v{value}", n))
            else:
                self._line(f"out[{k}][0] = v{value};")
        guards = zip(self.program.guard_values, self.program.guards, strict=True)
        for k, (value, (outcome, line)) in enumerate(guards):
            where = f" /* {place(line)} */" if line else ""
            self._line(f"if (!(v{value} == {number(outcome)})) return {k};{where}")
        self._line("return -1;")
        return "\n".join([*self.before, *self._head(), *self.lines, "}"])

    def _head(self) -> Iterator[str]:
        yield f"/* {self.name}: {head(self.program).split(' (')[0]}."
        if not self.is_static:
            for k, shape in enumerate(self.program.input_shapes):
                yield f" *   in[{k}]   {shape}"
            for k, shape in enumerate(self.program.output_shapes):
                yield f" *   out[{k}]  {shape}"
        yield " */"
        if not self.is_static:
            yield f"enum {{ {self.name}_work = {max(self.n_work, 1)} }};"
        yield (
            f"{'static ' * self.is_static}int {self.name}(const double *const in[], "
            "double *const out[], double *work)"
        )
        yield "{"
        yield "    (void)in, (void)out, (void)work;"

    def _line(self, text: str) -> None:
        self.lines.append("    " + text)

    # -- Places --

    def _last_uses(self) -> list[int]:
        """By owner: the last instruction that reads its elements; outputs: the end."""
        last = [0] * len(self.instructions)
        for at, instruction in enumerate(self.instructions):
            if self._is_alias(instruction):
                self.owner[at] = self.owner[instruction.args[0]]
            for k in instruction.args:
                last[self.owner[k]] = at
        for k in self.program.outputs:
            last[self.owner[k]] = len(self.instructions)
        return last

    def _is_alias(self, instruction: Instruction) -> bool:
        return (
            instruction.op in ("view", "stop_gradient", "call")
            and instruction.shape != ()
            and self.instructions[instruction.args[0]].shape != ()
        )

    def _room(self, n: int) -> int:
        """Return where in `work` n doubles are free."""
        if self.free.get(n):
            return self.free[n].pop()
        self.n_work += n
        return self.n_work - n

    def _give_back(self, at: int, instruction: Instruction) -> None:
        """Free what is read here for the last time."""
        for k in {self.owner[k] for k in (*instruction.args, at)}:
            if k in self.places and self.last[k] <= at:
                n = _size(self.instructions[k].shape)
                self.free.setdefault(n, []).append(self.places.pop(k))

    def _array(self, at: int, instruction: Instruction) -> str:
        """Declare the array of a value."""
        self.places[at] = self._room(_size(instruction.shape))
        self._line(f"double *v{at} = work + {self.places[at]};")
        return f"v{at}"

    def _table(self, kind: str, at: int, elements: Iterable[str]) -> str:
        name = f"{self.name}_{at}"
        text = ", ".join(elements) or "0"
        self.before.append(f"static const {kind} {name}[] = {{{text}}};")
        return name

    def _shape(self, value: int) -> Shape:
        shape: Shape = self.instructions[value].shape
        return shape

    def _at(self, value: int, index: str) -> str:
        """Return an element of an operand."""
        return f"v{value}[{index}]" if self._shape(value) else f"v{value}"

    # -- Instructions --

    def _emit(self, at: int, instruction: Instruction) -> None:
        formula = _formulas().get(instruction.op)
        if formula is not None:
            self._elementwise(at, instruction, formula)
        elif self._is_alias(instruction):
            self._line(f"const double *v{at} = v{instruction.args[0]};")
        else:
            write = getattr(self, "_" + instruction.op, None)
            if write is None:
                raise ArgumentError(
                    f"{instruction.op} cannot be exported: it needs a LAPACK, which C "
                    "text that stands alone has none; leave it out of the function"
                )
            write(at, instruction)

    def _elementwise(self, at: int, i: Instruction, formula: str) -> None:
        indices = [_index(_strides(self._shape(k), i.shape)) for k in i.args]
        own = _index(_strides(i.shape, i.shape))
        shape = i.shape
        if all(self._shape(k) in ((), shape) for k in i.args) and shape:
            indices, own, shape = ["i0"] * len(i.args), "i0", (_size(shape),)
        operands = {
            letter: self._at(k, index)
            for letter, k, index in zip("xyw", i.args, indices, strict=False)
        }
        value = re.sub(r"\b[xyw]\b", lambda m: operands[m[0]], formula)
        if not i.shape:
            self._line(f"const double v{at} = {value};")
            return
        to = self._array(at, i)
        for line in _nest(shape, f"{to}[{own}] = {value};"):
            self._line(line)

    def _scalar_or_array(self, at: int, i: Instruction, start: str) -> str:
        """Declare a result whose elements begin as `start`; return it as an array."""
        if not i.shape:
            self._line(f"double v{at} = {start};")
            return f"(&v{at})"
        to = self._array(at, i)
        self._line(f"for (long i = 0; i < {_size(i.shape)}; i++) {to}[i] = {start};")
        return to

    def _input(self, at: int, i: Instruction) -> None:
        if at not in self.read:
            return  # a compiler would warn of it
        kind = "*" if i.shape else ""
        self._line(f"const double {kind}v{at} = in[{at}]{'' if i.shape else '[0]'};")

    def _const(self, at: int, i: Instruction) -> None:
        if i.number is not None:
            self._line(f"const double v{at} = {number(i.number)};")
            return
        elements = np.ravel(i.attributes["value"]).tolist()
        table = self._table("double", at, map(number, elements))
        self._line(f"const double *v{at} = {table};")

    def _stop_gradient(self, at: int, i: Instruction) -> None:
        self._line(f"const double v{at} = {self._at(i.args[0], '0')};")

    _call = _stop_gradient  # its value is its first operand

    def _view(self, at: int, i: Instruction) -> None:
        """Between a number and an array of one."""
        source = self._at(i.args[0], "0")
        if i.shape:
            self._line(f"{self._array(at, i)}[0] = {source};")
        else:
            self._line(f"const double v{at} = {source};")

    def _as_strided(self, at: int, i: Instruction) -> None:
        place = _index(i.attributes["strides"], i.attributes["offset"])
        source = self._at(i.args[0], place)
        if not i.shape:
            self._line(f"const double v{at} = {source};")
            return
        to, own = self._array(at, i), _index(_strides(i.shape, i.shape))
        for line in _nest(i.shape, f"{to}[{own}] = {source};"):
            self._line(line)

    def _over_operand(self, at: int, i: Instruction, start: str, update: str) -> None:
        """Walk the operand; `update` says what its element x makes of the result z."""
        shape = self._shape(i.args[0])
        to = self._scalar_or_array(at, i, start)
        z = f"{to}[{_index(i.attributes['strides'], i.attributes['offset'])}]"
        x = self._at(i.args[0], _index(_strides(shape, shape)))
        for line in _nest(
            shape, re.sub(r"\b[xz]\b", lambda m: {"x": x, "z": z}[m[0]], update)
        ):
            self._line(line)

    def _sum(self, at: int, i: Instruction) -> None:
        self._over_operand(at, i, "0.0", "z += x;")

    def _amax(self, at: int, i: Instruction) -> None:
        sign = "<" if i.attributes["reverse"] else ">"
        start = "INFINITY" if i.attributes["reverse"] else "-INFINITY"
        i = i._replace(attributes={"offset": 0, "strides": (), **i.attributes})
        self._over_operand(at, i, start, f"if (x {sign} z || x != x) z = x;")

    def _index_table(self, at: int, i: Instruction) -> str:
        return self._table("long", at, map(str, i.attributes["index"].tolist()))

    def _index(self, at: int, i: Instruction) -> None:
        table, n = self._index_table(at, i), _size(i.shape)
        to = self._scalar_or_array(at, i, "0.0")
        value = self._at(i.args[0], f"{table}[i]")
        self._line(f"for (long i = 0; i < {n}; i++)")
        self._line(f"  if ({table}[i] >= 0) {to}[i] = {value};")

    def _index_add(self, at: int, i: Instruction) -> None:
        table, n = self._index_table(at, i), i.attributes["index"].size
        to = self._scalar_or_array(at, i, "0.0")
        self._line(f"for (long i = 0; i < {n}; i++)")
        self._line(
            f"  if ({table}[i] >= 0) {to}[{table}[i]] += {self._at(i.args[0], 'i')};"
        )

    def _index_put(self, at: int, i: Instruction) -> None:
        table, n = self._index_table(at, i), i.attributes["index"].size
        to = self._scalar_or_array(at, i, self._at(i.args[0], "i"))
        value = self._at(i.args[1], "0" if _size(self._shape(i.args[1])) == 1 else "i")
        self._line(f"for (long i = 0; i < {n}; i++) {to}[{table}[i]] = {value};")

    def _pack(self, at: int, i: Instruction) -> None:
        to = self._array(at, i)
        for k, value in enumerate(i.args):
            self._line(f"{to}[{k}] = v{value};")

    def _cumsum(self, at: int, i: Instruction) -> None:
        axis = i.attributes.get("axis", 0)
        n, inner = i.shape[axis], _size(i.shape[axis + 1 :])
        to, outer = self._array(at, i), _size(i.shape[:axis])
        step = "n - 1 - i1" if i.attributes["reverse"] else "i1"
        before = f"k {'+' if i.attributes['reverse'] else '-'} {inner}"
        for line in _nest((outer, n, inner), "{"):
            self._line(line)
        self._line(f"  const long n = {n}, k = (i0 * n + {step}) * {inner} + i2;")
        self._line(f"  {to}[k] = i1 == 0 ? {self._at(i.args[0], 'k')}")
        self._line(f"      : {to}[{before}] + {self._at(i.args[0], 'k')};")
        self._line("}")

    def _cat(self, at: int, i: Instruction) -> None:
        axis, to = i.attributes.get("axis", 0), self._array(at, i)
        outer, inner = _size(i.shape[:axis]), _size(i.shape[axis + 1 :])
        row, done = i.shape[axis] * inner, 0
        for k in i.args:
            n = self._shape(k)[axis] * inner
            line = f"{to}[i0 * {row} + {done} + i1] = v{k}[i0 * {n} + i1];"
            for text in _nest((outer, n), line):
                self._line(text)
            done += n

    def _matmul(self, at: int, i: Instruction) -> None:
        (x, y), (m, n) = i.args, i.shape[-2:]
        trans_x = i.attributes.get("trans_x", False)
        trans_y = i.attributes.get("trans_y", False)
        inner, batch = self._shape(x)[-2 if trans_x else -1], i.shape[:-2]
        to = self._array(at, i)

        def place(value: int, size: int) -> str:
            strides = _strides(self._shape(value)[:-2], batch)
            return _index([step * size for step in strides])

        a = f"l * {m} + r" if trans_x else f"r * {inner} + l"
        b = f"c * {inner} + l" if trans_y else f"l * {n} + c"
        for line in _nest(batch, "{"):
            self._line(line)
        self._line(f"  const double *x = v{x} + {place(x, m * inner)};")
        self._line(f"  const double *y = v{y} + {place(y, inner * n)};")
        own = _index([step * m * n for step in _strides(batch, batch)])
        self._line(f"  double *z = {to} + {own};")
        self._line(f"  for (long r = 0; r < {m}; r++)")
        self._line(f"    for (long c = 0; c < {n}; c++) {{")
        self._line("      double sum = 0.0;")
        self._line(f"      for (long l = 0; l < {inner}; l++) sum += x[{a}] * y[{b}];")
        self._line(f"      z[r * {n} + c] = sum;")
        self._line("    }")
        self._line("}")

    # -- Loops --

    def _scan(self, at: int, i: Instruction) -> None:
        """Write a loop: csrc/scan.h says what goes in and out, in which order."""
        body = _Function(i.attributes["body"], f"{self.name}_{at}", is_static=True)
        self.before.append(body.text())
        to = self._scalar_or_array(at, i, "0.0")
        loop = _Loop(i.attributes, to)
        n_out = sum(loop.out_sizes)
        work = self._room(body.n_work + n_out)
        self.free.setdefault(body.n_work + n_out, []).append(work)
        operands = [f"v{k}" if self._shape(k) else f"&v{k}" for k in i.args]
        self._line("{")
        for line in loop.lines(body.name, operands, f"work + {work}", n_out):
            self._line("  " + line)
        self._line("}")


class _Loop:
    """The text of a loop over a body that is a function."""

    def __init__(self, attributes: Mapping[str, Any], to: str):
        self.a, self.to = attributes, to
        body = attributes["body"]
        self.in_sizes = [_size(shape) for shape in body.input_shapes]
        self.out_sizes = [_size(shape) for shape in body.output_shapes]
        first, self.n_carry = attributes["shared"], attributes["carry"]
        self.carry = self.in_sizes[first : first + self.n_carry]

    def lines(self, name: str, args: list[str], work: str, n_out: int) -> Iterator[str]:
        """Return the statements; args are pointers to the operands."""
        a, steps = self.a, self.a["steps"]
        count, args = (args[0], args[1:]) if a["has_count"] else ("", args)
        yield f"const double *from[{max(len(args), 1)}] = {{{', '.join(args) or '0'}}};"
        yield f"double *made[{max(len(self.out_sizes), 1)}] = {{{self._made(work)}}};"
        at = 0
        for k, n in enumerate(self.carry):
            source = f"from[{a['shared'] + k}]"
            yield _copy(f"({self.to} + {at})", source, n)
            yield f"{source} = {self.to} + {at};"
            at += n
        yield f"for (long step = 0; step < {steps}; step++) {{"
        step = [*self._step(name, args, f"{work} + {n_out}", count)]
        if any(re.search(r"\bt\b", line) for line in step):
            t = f"{steps - 1} - step" if a["reversed"] else "step"
            yield f"  const long t = {t};"
        yield from step
        yield "}"

    def _step(self, name: str, args: list[str], work: str, count: str) -> Iterator[str]:
        """Yield what is done in each step, t."""
        a, steps = self.a, self.a["steps"]
        if count:
            leave = "continue" if a["reversed"] else "break"
            yield f"  if (!((double)t < *({count}))) {leave};"
        for k in range(a["shared"] + self.n_carry, len(args)):
            yield f"  from[{k}] = {args[k]} + t * {self.in_sizes[k]};"
        yield from self._keep(steps)
        yield f"  {name}(from, made, {work});"
        yield from self._store(steps)

    def _made(self, work: str) -> str:
        places = np.cumsum([0, *self.out_sizes])
        return ", ".join(f"{work} + {at}" for at in places[:-1]) or "0"

    def _sizes_out(self) -> tuple[list[int], list[int]]:
        sizes = self.out_sizes[self.a["has_exit"] + self.n_carry :]
        return sizes[: self.a["out_rows"]], sizes[self.a["out_rows"] :]

    def _keep(self, steps: int) -> Iterator[str]:
        """Note the carry before a step."""
        rows, sums = self._sizes_out()
        at, own = sum(self.carry) + steps * sum(rows) + sum(sums), 0
        at += self.a["has_exit"]  # the number of steps done
        for n in self.carry if self.a["keeps_carry"] else []:
            yield "  " + _copy(
                f"({self.to} + {at} + t * {n})", f"({self.to} + {own})", n
            )
            at, own = at + steps * n, own + n

    def _store(self, steps: int) -> Iterator[str]:
        """Put what a step made where it belongs."""
        rows, sums = self._sizes_out()
        at, k = 0, int(self.a["has_exit"])
        if self.a["has_exit"]:
            yield "  if (made[0][0] == 0.0) break;"
        for n in self.carry:
            yield "  " + _copy(f"({self.to} + {at})", f"made[{k}]", n)
            at, k = at + n, k + 1
        for n in rows:
            yield "  " + _copy(f"({self.to} + {at} + t * {n})", f"made[{k}]", n)
            at, k = at + steps * n, k + 1
        for n in sums:
            add = f"{self.to}[{at} + i] += made[{k}][i];"
            yield f"  for (long i = 0; i < {n}; i++) {add}"
            at, k = at + n, k + 1
        if self.a["has_exit"]:
            yield f"  {self.to}[{at}] += 1.0;"
