"""Programs to read: a listing with a line for each instruction, and a graph.

program: 5 instructions (input 2, mul 1, sin 1, add 1), 2 inputs, 1 output, 40 bytes
  %0 = input  ()
  %1 = input  ()
  %2 = mul %0, %1  ()                    # model.py:12
  ...
  return %4
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import numpy as np

from autodiff._core import Instruction, Program

COMMENT_COLUMN = 56
SHOWN_ELEMENTS = 4


def listing(program: Program) -> str:
    """Return a program as text: a head with counts, instructions, guards, outputs.

    Bytes are those of all values if none shared a place; a run needs fewer.
    """
    return "\n".join([f"program: {head(program)}", *_body(program, "  ")])


def head(program: Program) -> str:
    """Return the counts of a program: instructions by operation, inputs, outputs."""
    instructions = program.instructions()
    by_op = Counter(i.op for i in instructions)
    ops = ", ".join(f"{op} {n}" for op, n in by_op.most_common())
    n_bytes = 8 * sum(int(np.prod(i.shape, dtype=object)) for i in instructions)
    counts = [
        _plural(len(instructions), "instruction") + (f" ({ops})" if ops else ""),
        _plural(len(program.input_shapes), "input"),
        _plural(len(program.outputs), "output"),
    ]
    if program.guards:
        counts.append(_plural(len(program.guards), "guard"))
    return ", ".join([*counts, _plural(n_bytes, "byte")])


def _plural(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _body(program: Program, indent: str) -> Iterator[str]:
    for at, instruction in enumerate(program.instructions()):
        yield _with_place(f"{indent}%{at} = {_text(instruction)}", instruction.line)
        body = instruction.attributes.get("body")
        if body is not None:
            yield f"{indent}    body: {head(body)}"
            yield from _body(body, indent + "    ")
    pairs = zip(program.guard_values, program.guards, strict=True)
    for value, (outcome, line) in pairs:
        yield _with_place(f"{indent}guard %{value} == {outcome:g}", line)
    yield f"{indent}return {', '.join(f'%{k}' for k in program.outputs)}".rstrip()


def _text(instruction: Instruction) -> str:
    """Return the instruction without its number and place."""
    words = " ".join([instruction.op, _operands(instruction)]).strip()
    return f"{words}  {instruction.shape}{_attributes(instruction.attributes)}"


def _operands(instruction: Instruction) -> str:
    if instruction.number is not None:
        return repr(instruction.number)
    if "value" in instruction.attributes:
        return _elements(instruction.attributes["value"])
    return ", ".join(f"%{k}" for k in instruction.args)


def _attributes(attributes: dict[str, Any]) -> str:
    texts = []
    for name, value in attributes.items():
        if name in ("value", "body") or value is False:
            continue
        text = _elements(value) if isinstance(value, np.ndarray) else value
        texts.append(name if value is True else f"{name}={text}")
    return " " + " ".join(texts) if texts else ""


def _elements(array: Any) -> str:
    """Return the first few elements."""
    flat = np.ravel(array)
    shown = [repr(x) for x in flat[:SHOWN_ELEMENTS].tolist()]
    return f"[{', '.join(shown + ['...'] * (flat.size > SHOWN_ELEMENTS))}]"


def _with_place(text: str, line: str | None) -> str:
    return f"{text:<{COMMENT_COLUMN}} # {place(line)}" if line else text


def place(line: str) -> str:
    """Return ``name.py:12`` for ``File "/folder/name.py", line 12``."""
    found = re.fullmatch(r'File "(.*)", line (\d+)', line)
    return f"{PurePath(found[1]).name}:{found[2]}" if found else line


def to_dot(program: Program) -> str:
    """Return a program as a graph in the language of Graphviz.

    A box for each instruction with its operation and shape, an arrow from each operand,
    inputs and outputs marked, guards dashed. Render it with ``dot -Tsvg``.
    """
    lines = ["digraph program {", "  node [shape=box, fontname=monospace];"]
    for at, instruction in enumerate(program.instructions()):
        label = f"%{at} {instruction.op}"
        if instruction.number is not None:
            label += f" {instruction.number!r}"
        label += f"\n{instruction.shape}" if instruction.shape else ""
        label += f"\n{place(instruction.line)}" if instruction.line else ""
        style = ", style=filled, fillcolor=lightgrey" * (instruction.op == "input")
        lines.append(f"  v{at} [label={_quoted(label)}{style}];")
        lines += [f"  v{k} -> v{at};" for k in instruction.args]
    for k, value in enumerate(program.outputs):
        lines.append(f"  out{k} [label={_quoted(f'output {k}')}, shape=ellipse];")
        lines.append(f"  v{value} -> out{k};")
    guards = zip(program.guard_values, program.guards, strict=True)
    for k, (value, (outcome, line)) in enumerate(guards):
        label = f"guard == {outcome:g}" + (f"\n{place(line)}" if line else "")
        lines.append(f"  guard{k} [label={_quoted(label)}, style=dashed];")
        lines.append(f"  v{value} -> guard{k} [style=dashed];")
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    """Return the text as a string of Graphviz."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
