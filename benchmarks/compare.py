"""Print result files: ``python benchmarks/compare.py [new.json [old.json]]``.

With one file (the newest without any), every metric against every peer, with the bar of
each row. With two, our own figures before and after. The ratio is that of the fastest
samples, of the same run; the ratio of the medians stands beside it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS_DIR = Path(__file__).resolve().parent / "results"
SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (0.0, "ns")),
    "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (0.0, "B")),
}
# Kept in the files, not shown: how much was run, and what it came to.
HIDDEN = ("steps", "answer")
SMALLEST = {"s": 1e-9, "B": 1.0}
HEAD = ("row", "ours", "peer", "theirs", "ratio (medians)", "bar", "verdict")

Entry = Mapping[str, Any]
Line = tuple[str, ...]


def quantity(value: float, unit: str) -> str:
    """Return a figure with a readable unit: 1.9e-08 s/operation is 19 ns/operation."""
    base, slash, per = unit.partition("/")
    if base not in SCALES:
        return f"{value:.3g}{unit}"
    scale, name = next(pair for pair in SCALES[base] if abs(value) >= pair[0])
    return f"{value / (scale or SMALLEST[base]):.3g} {name}{slash}{per}"


def shown(entry: Entry) -> dict[str, str]:
    """Return the metrics of a row that are shown, and their units."""
    return {m: unit for m, unit in entry["units"].items() if unit not in HIDDEN}


def label_of(entry: Entry, metric: str) -> str:
    """Return the first cell of a line."""
    title = str(entry["title"])
    return title if metric == "time" else f"{title}: {metric.replace('_', ' ')}"


def figure(result: Entry | None, metric: str) -> Mapping[str, float] | None:
    """Return min and median of a metric, or None if the peer has none."""
    if result is None or result["status"] != "ok":
        return None
    found: Mapping[str, float] | None = result["metrics"].get(metric)
    return found


def ratio_text(ours: Mapping[str, float], theirs: Mapping[str, float]) -> str:
    """Return ours over theirs, said as "times" or as "faster"."""
    if min(ours["min"], theirs["min"], ours["median"], theirs["median"]) <= 0:
        return ""
    best = ours["min"] / theirs["min"]
    middle = ours["median"] / theirs["median"]
    if best > 1 / 1.5:
        return f"{best:.2f}x ({middle:.2f}x)"
    return f"1/{1 / best:.3g} (1/{1 / middle:.3g})"


def bar_text(bar: Entry, unit: str) -> str:
    """Return a bar in words."""
    kind, limit, reach = bar["kind"], bar["limit"], bar["reach"]
    if kind == "times":
        goal = "" if reach is None else f", reach {reach:g}x"
        return f"<= {limit:g}x{goal}"
    if kind == "faster":
        goal = "" if reach is None else f", reach 1/{reach:g}"
        return f"<= 1/{limit:g}{goal}"
    goal = "" if reach is None else f", reach {quantity(reach, unit)}"
    plus = "theirs + " if kind == "beyond" else ""
    return f"<= {plus}{quantity(limit, unit)}{goal}"


def verdict(
    bar: Entry, ours: Mapping[str, float] | None, theirs: Mapping[str, float] | None
) -> str:
    """Return "reached", "ok" or "MISSED", judged on the fastest samples."""
    if ours is None or (theirs is None and bar["against"] is not None):
        return "unknown"
    other = theirs["min"] if theirs is not None else 0.0

    def allows(limit: float) -> bool:
        allowed = {
            "times": limit * other,
            "faster": other / limit,
            "value": limit,
            "beyond": other + limit,
        }[bar["kind"]]
        return ours["min"] <= allowed

    if not allows(bar["limit"]):
        return "MISSED"
    return "reached" if bar["reach"] is not None and allows(bar["reach"]) else "ok"


def row_lines(entry: Entry, our_name: str, against: Sequence[str] | None) -> list[Line]:
    """Return the lines of one row: a line for each metric, peer and bar."""
    lines: list[Line] = []
    results = entry["peers"]
    others = [n for n in results if n != our_name]
    others = [n for n in others if against is None or n in against]
    for metric, unit in shown(entry).items():
        ours = figure(results.get(our_name), metric)
        bars = [b for b in entry["bars"] if b["metric"] == metric]
        our_text = figure_text(results.get(our_name), metric, unit)
        label = label_of(entry, metric)
        block: list[Line] = []
        for bar in (b for b in bars if b["against"] is None):
            said = bar_text(bar, unit), verdict(bar, ours, None)
            block.append((label, our_text, "", "", "", *said))
        for name in others:
            theirs = figure(results[name], metric)
            if results[name]["status"] == "ok" and theirs is None:
                continue
            said = _said(bars, name, unit, ours, theirs)
            ratio = ratio_text(ours, theirs) if ours and theirs else ""
            their_text = figure_text(results[name], metric, unit)
            block.append((label, our_text, name, their_text, ratio, *said))
        if not block and ours is not None:
            block.append((label, our_text, "", "", "", "", ""))
        lines += block
    return lines


def _said(
    bars: Sequence[Entry],
    name: str,
    unit: str,
    ours: Mapping[str, float] | None,
    theirs: Mapping[str, float] | None,
) -> tuple[str, str]:
    """Return the bar against one peer and its verdict; empty without a bar."""
    for bar in bars:
        if bar["against"] == name:
            return bar_text(bar, unit), verdict(bar, ours, theirs)
    return "", ""


def figure_text(result: Entry | None, metric: str, unit: str) -> str:
    """Return the fastest sample in words, or why there is none."""
    found = figure(result, metric)
    if found is not None:
        return quantity(found["min"], unit)
    if result is None:
        return "not run"
    why = result.get("why")
    return f"{result['status']}: {why}" if why else str(result["status"])


def table(lines: Sequence[Line], markdown: bool = False) -> str:
    """Lay lines out as a table."""
    rows = [HEAD, *lines]
    widths = [max(len(line[i]) for line in rows) for i in range(len(HEAD))]
    out = []
    for k, line in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        edge, gap = ("| ", " | ") if markdown else ("", "  ")
        out.append(f"{edge}{gap.join(cells)}{edge[::-1]}".rstrip())
        if k == 0 and markdown:
            out.append("|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(out)


def describe_row(entry: Entry, our_name: str = "autodiff") -> str:
    """Return one row as text, as ``run.py`` prints it."""
    out = [entry["title"]]
    for name, result in entry["peers"].items():
        texts = []
        for metric, unit in shown(entry).items():
            found = figure(result, metric)
            if found is not None:
                middle = quantity(found["median"], unit)
                label = "" if metric == "time" else f"{metric} "
                text = f"{label}{quantity(found['min'], unit)}"
                texts.append(
                    text
                    if middle == quantity(found["min"], unit)
                    else f"{text} (median {middle})"
                )
        said = ", ".join(texts) or figure_text(result, "", "")
        out.append(f"    {name:12} {said}")
    for line in row_lines(entry, our_name, None):
        if line[5]:
            against = f"against {line[2]} {line[4]}" if line[2] else line[1]
            out.append(f"    bar: {line[5]}; {against}; {line[6]}")
    return "\n".join(out)


def change_lines(new: Entry, old: Entry, our_name: str) -> list[Line]:
    """Return our figures of two results side by side, new in the place of ours."""
    before = {(e["problem"], e["row"]): e for e in old["rows"]}
    lines: list[Line] = []
    for entry in new["rows"]:
        then = before.get((entry["problem"], entry["row"]))
        if then is None:
            continue
        for metric, unit in shown(entry).items():
            ours = figure(entry["peers"].get(our_name), metric)
            theirs = figure(then["peers"].get(our_name), metric)
            if ours is None or theirs is None:
                continue
            label = label_of(entry, metric)
            ratio = ratio_text(ours, theirs)
            texts = quantity(ours["min"], unit), quantity(theirs["min"], unit)
            lines.append((label, texts[0], "before", texts[1], ratio, "", ""))
    return lines


def heading(found: Entry) -> str:
    """Return what a result was measured on, in two lines."""
    box = found["machine"]
    known = found["versions"].items()
    versions = [f"{n} {v}" for n, v in known if v]
    commit = (found["commit"] or "none")[:10] + (" changed" if found["changed"] else "")
    return (
        f"{found['date']}  commit {commit}  {box['cpu']}, {box['cores']} cores, "
        f"{box['system']}\nPython {found['python']}, {', '.join(versions)}"
    )


def newest_result() -> Path:
    """Return the newest stored result."""
    stored = sorted(RESULTS_DIR.glob("*.json"), key=lambda p: p.stat().st_mtime)
    if not stored:
        raise SystemExit("no stored result; run benchmarks/run.py first")
    return stored[-1]


def main() -> None:
    """Print one result, or the change between two."""
    parser = argparse.ArgumentParser(description="Print benchmark results.")
    parser.add_argument("new", nargs="?", type=Path, help="default: the newest stored")
    parser.add_argument("old", nargs="?", type=Path, help="compare with this result")
    parser.add_argument("--against", help="comma-separated peers; default: all")
    parser.add_argument("--peer", default="autodiff", help="whose figures are ours")
    parser.add_argument("--bars", action="store_true", help="only lines with a bar")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    new = json.loads((arguments.new or newest_result()).read_text())
    print(heading(new), end="\n\n")
    if arguments.old is not None:
        old = json.loads(arguments.old.read_text())
        print("before: " + heading(old), end="\n\n")
        lines = change_lines(new, old, arguments.peer)
    else:
        against = arguments.against.split(",") if arguments.against else None
        rows = new["rows"]
        lines = [li for e in rows for li in row_lines(e, arguments.peer, against)]
    if arguments.bars:
        lines = [line for line in lines if line[5]]
    print(table(lines, arguments.markdown))


if __name__ == "__main__":
    main()
