"""A fitted model as a file: what ``autodiff predict`` and ``compare`` read.

JSON: the document of the fit, and beside it how names became numbers (``slots``) and
what sigma or weight was (``scale``). No data. A file is believed nothing: kinds, sizes
and numbers are checked, and the formula is parsed again, before any of it is used.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from autodiff.fit.errors import DataError, FitError, excerpt
from autodiff.fit.formula.evaluate import names_in
from autodiff.fit.formula.parse import Formula, parse, parse_expression
from autodiff.fit.formula.printing import to_text
from autodiff.fit.output.document import SCHEMA, document
from autodiff.fit.output.places import write_whole
from autodiff.fit.problem import Parameter, Problem, Slot
from autodiff.fit.stats.result import CONVERGED, Estimate, FitResult

__all__ = ["FORMAT", "load_model", "save_model"]

FORMAT = "autodiff-model/1"
LARGEST = 64_000_000  # bytes of a file
MOST_PARAMETERS = 100_000

_NUMBERS = ("rss", "level", "r_squared", "loglik", "aic", "aicc", "bic", "deviance")
_WORDS = ("loss", "errors", "se", "ci")


def save_model(result: FitResult, path: str) -> None:
    """Write a fit to a file.

    Parameters
    ----------
    result : FitResult
        A fit that converged.
    path : str
        A JSON file, overwritten whole or not at all.

    Raises
    ------
    FitError
        If the fit did not converge, or the file cannot be written.
    """
    if not result.converged or result.problem is None:
        raise DataError("D170", f"nothing to save: the fit is {result.verdict}")
    content = {
        "format": FORMAT,
        **document(result),
        "slots": _slots(result.problem),
        "scale": result.problem.scale,
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(path, f"{text}\n".encode(), "--save")


def _slots(problem: Problem) -> list[dict[str, Any]]:
    found = []
    for slot in problem.slots:
        entry: dict[str, Any] = {"name": slot.name, "kind": slot.kind}
        if slot.kind == "fixed":
            entry["value"] = slot.value
        elif slot.kind == "tied":
            entry["expression"] = to_text(slot.nodes)
        elif slot.level_column:
            entry["column"] = slot.level_column
        found.append(entry)
    return found


def load_model(path: str) -> FitResult:
    """Read a fit from a file, and verify it.

    Parameters
    ----------
    path : str
        Written by `save_model`.

    Returns
    -------
    FitResult
        With a problem of no rows, to be given rows.

    Raises
    ------
    DataError
        If there is no such file, or it is no model.
    """
    content = _read(path)
    try:
        return _result(content)
    except FitError as error:
        raise DataError("D171", f"{path}: {error.message}") from None
    except RecursionError:
        raise DataError("D171", f"{path}: nested too deep for a model") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            "D171", f"{path}: this is no whole model ({what}); save it again"
        ) from None


def _read(path: str) -> dict[str, Any]:
    place = Path(path)
    try:
        if place.is_dir():
            raise DataError("D170", f"{path} is a directory; name a model in it")
        if place.stat().st_size > LARGEST:
            raise DataError("D171", f"{path}: too large for a model")
        text = place.read_bytes()
    except FileNotFoundError:
        raise DataError(
            "D170",
            f"there is no file {excerpt(path, 80)}; autodiff fit --save makes one",
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError("D170", f"cannot read {excerpt(path, 80)}: {reason}") from None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or "format" not in content:
        raise DataError(
            "D171", f"{path}: not a model; autodiff fit --save MODEL.json makes one"
        )
    if content["format"] != FORMAT or content.get("schema") != SCHEMA:
        raise DataError(
            "D172",
            f"{path}: format {excerpt(str(content['format']))}, but this version reads "
            f"{FORMAT}; save the model again",
        )
    return content


def _result(content: dict[str, Any]) -> FitResult:
    formula = parse(_word(content["formula"], "formula"))
    parameters = {
        _word(name, "name"): _estimate(entry)
        for name, entry in content["parameters"].items()
    }
    free = [_word(name, "name") for name in content["free"]]
    if len(free) > MOST_PARAMETERS or not set(free) <= set(parameters):
        raise ValueError("free parameters that are none")
    cov = np.array(
        [[_number(v, "cov") for v in row] for row in content["cov"]], dtype=float
    ).reshape(len(free), len(free))
    if content["verdict"] != CONVERGED:
        raise ValueError("its fit did not converge")
    if content["rss"] is not None and not _number(content["rss"], "rss") >= 0.0:
        raise ValueError("a negative sum of squares")
    if not 0.0 < _number(content["level"], "level") < 1.0:
        raise ValueError("a level that is no probability")
    problem = _problem(formula, content["slots"], free, parameters)
    problem = replace(problem, scale=_scale(content.get("scale")))
    return FitResult(
        formula=formula.text,
        parameters=parameters,
        free=tuple(free),
        cov=cov,
        n=_count(content["n"]),
        df=_count(content["df"]),
        verdict=CONVERGED,
        exact=content["exact"] is True,
        problem=problem,
        **_rest(content),
    )


def _rest(content: dict[str, Any]) -> dict[str, Any]:
    """Return what is taken as it stands."""
    numbers = {name: _number(content[name], name) for name in _NUMBERS}
    return numbers | {name: _word(content[name], name) for name in _WORDS}


def _problem(
    formula: Formula, entries: Any, free: list[str], known: dict[str, Estimate]
) -> Problem:
    slots: list[Slot] = []
    for entry in entries:
        slots.append(_slot(entry, free, {slot.name for slot in slots}))
    names = {slot.name for slot in slots}
    columns = [name for name in names_in(formula.rhs) if name not in names]
    if not names:
        raise ValueError("no parameters")
    empty = np.empty(0)
    return Problem(
        formula=formula,
        parameters=tuple(Parameter(name, known[name].estimate) for name in free),
        slots=tuple(slots),
        columns=dict.fromkeys(columns, empty),
        response=empty,
        index=None,
        is_linear=False,
    )


def _scale(entry: Any) -> tuple[str, str] | None:
    """Return which of sigma and weight the fit had, and its expression."""
    if entry is None:
        return None
    word, text = (_word(each, "scale") for each in entry)
    if word not in ("sigma", "weight"):
        raise ValueError(f"a scale {word!r}")
    if text:
        parse_expression(text, "model")
    return word, text


def _slot(entry: dict[str, Any], free: list[str], earlier: set[str]) -> Slot:
    name, kind = _word(entry["name"], "name"), entry["kind"]
    if kind == "free":
        return Slot(name, kind, free.index(name))
    if kind == "fixed":
        value = _number(entry["value"], "value")
        if not math.isfinite(value):
            raise ValueError("a fixed value that is no number")
        return Slot(name, kind, value=value)
    if kind == "tied":
        nodes = parse_expression(_word(entry["expression"], "expression"), "model")
        if not set(names_in(nodes)) <= earlier:
            raise ValueError(f"{name} is tied to names that come later")
        return Slot(name, kind, nodes=nodes)
    if kind == "apart":
        column = _word(entry["column"], "column")
        return Slot(name, kind, value=0.0, level_column=column)
    if kind == "indexed":
        return Slot(
            name,
            kind,
            positions=np.empty(0, dtype=np.intp),
            level_column=_word(entry["column"], "column"),
        )
    raise ValueError(f"a slot of kind {kind!r}")


def _estimate(entry: dict[str, Any]) -> Estimate:
    value = _number(entry["estimate"], "estimate")
    if not math.isfinite(value):
        raise ValueError("an estimate that is no number")
    se, lo, hi = (_number(entry[key], key) for key in ("se", "lo", "hi"))
    status, interval = _word(entry["status"], "status"), _word(entry["interval"], "")
    return Estimate(value, se, lo, hi, status, interval)


def _number(value: Any, what: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{what} is no number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{what} is too large") from None


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        raise ValueError("a count that is none")
    return value


def _word(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is no text")
    return value
