"""Write what follows from the op table: stubs, docs/ops.md and docs/accuracy.md.

python tools/gen_ops.py            measure the errors, and write the files
python tools/gen_ops.py --check    name the files that are out of date; write nothing

Rows come from the built package, so build first. What is written stands between marks
in files whose other text is written by hand. Errors are measured against the references
of tests/reference.py at seeded points; `--check` compares names and bounds, not errors,
which differ a little between processors and C libraries.
"""

import argparse
import math
import platform
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import autodiff as ad
from autodiff._core import FUNCTIONS, Op

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
SEEDS, COUNT = 3, 24
# The protocol of a row in the stubs, by the names of its operands.
KINDS = {
    ("input",): "_UnaryRow",
    ("input", "other"): "_BinaryRow",
    ("input", "exponent"): "_PowerRow",
    ("n", "input"): "_OrderRow",
    ("input", "other", "addend"): "_TernaryRow",
}

# ---- Stubs ---------------------------------------------------------------------------


def functions() -> str:
    """Return the rows that autodiff/functions.py does not replace, as names."""
    replaced = import_module("autodiff.functions").OPTIONED
    lines = []
    for row in ad.ops():
        for name in row.names:
            if name not in replaced and not name.startswith("_"):
                lines += [f"{name}: {KINDS[row.operands]}", f'"""{row.synopsis}"""']
    return "\n".join(lines)


def methods() -> str:
    """Return the methods of the rows that autodiff/tensor.py does not write itself."""
    tensor = import_module("autodiff.tensor")
    made, replaced = tensor.INPLACE, tensor.METHODS
    lines = []
    for row in ad.ops():
        names = [n for n in row.names if n not in replaced and not n.startswith("_")]
        rest = "".join(f", {name}: _Operand" for name in row.operands[1:])
        for name in names[:1]:
            lines.append(f"    def {name}(self{rest}) -> Tensor:")
            lines.append(f'        """Return {row.synopsis.removeprefix("z = ")}."""\n')
        lines += [f"    {name} = {names[0]}" for name in names[1:]]
        lines += [
            f"    def {name}_(self{rest}) -> Tensor: ..."
            for name in row.names
            if replaced.get(f"{name}_") is made.get(f"{name}_", ...)
        ]
    return "\n".join(lines)


# ---- Pages ---------------------------------------------------------------------------


def table(*rows: list[str]) -> str:
    """Return a Markdown table; the first row is its head."""
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head))]
    return "\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in body)])


def operations(is_internal: bool) -> str:
    """Return the table of the public rows, or of those only met in derivatives."""
    head = "name; also; value; partials; domain; smoothness; ULP; meaning".split("; ")
    known = {row.name for row in ad.ops()}
    body = [
        [
            f"`{row.name}`",
            " ".join(f"`{name}`" for name in row.names[1:] if name[0] != "_"),
            f"`{row.value}`",
            ", ".join(f"`{partial}`" for partial in row.partials),
            row.domain,
            row.smoothness,
            f"{row.ulp:g}; "
            + (f"{row.ulp_partial:g}" if row.ulp_partial < 1e6 else "-"),
            row.synopsis,
        ]
        for row in ad.ops(internal=True)
        if (row.name not in known) == is_internal
    ]
    return table(head, *body)


def on_tape(row: Op, points: list[tuple[float, ...]], is_array: bool) -> Any:
    """Return value and partials at each point, from `backward` on leaves."""
    if not is_array:
        return [on_tape(row, [point], True)[0] for point in points]
    operands = zip(*points, strict=True)
    values = [x[0] if len(points) == 1 else x for x in operands]
    leaves: list[Any] = [ad.tensor(x, requires_grad=True) for x in values]
    z = FUNCTIONS[row.name](*leaves)
    z.backward(ad.ones_like(z))
    results = [z.detach(), *(leaf.grad for leaf in leaves)]
    return np.transpose([np.atleast_1d(x.numpy()) for x in results])


def worst_errors(number: int) -> list[list[float]]:
    """Return the largest errors of a row in ULP, for scalars and for arrays.

    Left out, as in the definition of the bounds: poles, and partials where the value
    has overflowed or is subnormal.
    """
    reference = import_module("reference")
    row = ad.ops()[number]
    points = [p for s in range(SEEDS) for p in reference.samples(row.domain, s, COUNT)]
    worst = [[0.0] * (row.n_args + 1), [0.0] * (row.n_args + 1)]
    for errors, is_array in zip(worst, (False, True), strict=True):
        for point, got in zip(points, on_tape(row, points, is_array), strict=True):
            is_normal = got[0] == 0 or 2.3e-308 < abs(got[0]) < math.inf
            exact = [reference.value(row.name, *point)]
            operands = range(row.n_args if is_normal else 0)
            exact += [reference.partial(row.name, k, *point) for k in operands]
            for k, truth in enumerate(exact):
                if reference.mp.isfinite(truth):
                    error = reference.ulp_error(float(got[k]), truth)
                    errors[k] = max(errors[k], error)
    return worst


def accuracy(is_measured: bool) -> str:
    """Return the table of errors; without measuring, its names and bounds only."""
    rows = ad.ops()
    worst: list[Any] = [([], [])] * len(rows)
    if is_measured:
        with ProcessPoolExecutor() as pool:
            worst = list(pool.map(worst_errors, range(len(rows))))
    body = [
        "name; value: bound; scalar; array; partials: bound; scalar; array".split("; ")
    ]
    for row, columns in zip(rows, worst, strict=True):
        texts = [[f"{error:.2g}" for error in column] for column in columns]
        value = [", ".join(text[:1]) for text in texts]
        partials = [", ".join(text[1:]) for text in texts]
        bounds = f"{row.ulp:g}", f"{row.ulp_partial:g}"
        body.append([f"`{row.name}`", bounds[0], *value, bounds[1], *partials])
    libc = " ".join(platform.libc_ver()).strip() or platform.system()
    return f"Measured on {platform.machine()} with {libc}.\n\n" + table(*body)


# ---- Files ---------------------------------------------------------------------------


def stated(block: str) -> list[list[str]]:
    """Return names and bounds of an accuracy table, without what was measured."""
    rows = [line.split("|") for line in block.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in (row[1], row[2], row[5])] for row in rows]


def main() -> int:
    """Write the blocks, or compare them; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    blocks = [
        ("autodiff/__init__.pyi", "rows", functions),
        ("autodiff/_core.pyi", "rows", methods),
        ("docs/ops.md", "rows", lambda: operations(is_internal=False)),
        ("docs/ops.md", "internal rows", lambda: operations(is_internal=True)),
        ("docs/accuracy.md", "errors", lambda: accuracy(is_measured=not check)),
    ]
    stale = []
    for path, mark, write in blocks:
        old = (ROOT / path).read_text(encoding="utf-8")
        pattern = rf"(gen_ops: {mark}(?: -->)?\n)((?s:.*?))([^\n]*gen_ops: end)"
        match = re.search(pattern, old)
        if match is None:
            raise SystemExit(f"{path}: no marks for {mark!r}")
        new = write().strip("\n") + "\n"
        is_error_table = check and mark == "errors"
        if stated(match[2]) == stated(new) if is_error_table else match[2] == new:
            continue
        stale.append(f"{path}: {mark}: out of date; run python tools/gen_ops.py")
        if not check:
            text = old[: match.start(2)] + new + old[match.end(2) :]
            (ROOT / path).write_text(text, encoding="utf-8")
    if check:
        print("\n".join(stale) or "generated text: up to date")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
