"""Write docs/gallery.md: code, output and picture of each example of the gallery.

python tools/gen_gallery.py            run the examples, and write page and pictures
python tools/gen_gallery.py --check    run them, and say what is out of date

The examples are `examples/NN_name.py`, in the order of their numbers. The first line of
an example's docstring is its heading, the rest the text above its code. An example that
draws writes its picture to the path it is given. Code must be the same as on the page;
numbers of an output may differ as much as training does from machine to machine.
"""

import argparse
import ast
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/gallery.md"
PICTURES = ROOT / "docs/gallery"
HEAD = """\
# Gallery

Back-propagation by examples: each is a script of `examples/` that runs in seconds,
shown with what it prints. Where a script says `import autodiff as torch`, that line is
all that differs from PyTorch. This page is written by `tools/gen_gallery.py`; the tests
compare it with what the scripts print, and check the numbers.

"""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def examples() -> list[Path]:
    """Return the scripts, in order."""
    return sorted(ROOT.glob("examples/[0-9][0-9]_*.py"))


def draws(script: Path) -> bool:
    """Return whether a script has a picture."""
    return "\npicture(" in script.read_text(encoding="utf-8")


def output(script: Path, picture: Path | None = None) -> str:
    """Run a script, with warnings as errors; return what it prints."""
    more = [] if picture is None else [str(picture)]
    # Where the environment says that a script's own folder is not looked into.
    found = [str(script.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), *more],
        capture_output=True,
        encoding="utf-8",
        env={
            **os.environ,
            "PYTHONIOENCODING": "utf-8",
            "PYTHONPATH": os.pathsep.join(found),
        },
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{script.name} failed:\n{done.stderr}")
    return done.stdout


def section(script: Path, printed: str) -> str:
    """Return what the page has of one script."""
    text = script.read_text(encoding="utf-8")
    head, _, prose = (ast.get_docstring(ast.parse(text)) or "").partition("\n\n")
    code = text[text.index('"""', 3) + 3 :].strip()
    parts = [
        f"## {head.rstrip('.')}",
        prose.strip(),
        f"```python\n{code}\n```",
        f"```text\n{printed.rstrip()}\n```",
    ]
    if draws(script):
        parts.append(f"![what {script.name} draws](gallery/{script.stem}.svg)")
    return "\n\n".join(parts)


def page(outputs: Mapping[str, str]) -> str:
    """Return the page, given what each script prints, by the script's name."""
    sections = [section(script, outputs[script.name]) for script in examples()]
    return HEAD + "\n\n".join(sections) + "\n"


def differences(old: str, new: str) -> list[str]:
    """Return the lines of a new page that an old one does not have like that."""
    was, now = old.splitlines(), new.splitlines()
    if len(was) != len(now):
        return [f"{len(was)} lines on the page, expected {len(now)}"]
    return [b for a, b in zip(was, now, strict=True) if not is_close(a, b)]


def is_close(a: str, b: str) -> bool:
    """Return whether two lines differ at most in numbers, by 10 % or by 0.02."""
    if a == b:
        return True
    if NUMBER.sub("#", a).split() != NUMBER.sub("#", b).split():
        return False
    pairs = zip(NUMBER.findall(a), NUMBER.findall(b), strict=True)
    return all(
        abs(x - y) <= max(0.02, 0.1 * abs(y))
        for x, y in ((float(x), float(y)) for x, y in pairs)
    )


def main() -> int:
    """Write the page and its pictures, or compare the page."""
    parser = argparse.ArgumentParser(description="Write docs/gallery.md.")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    is_check = parser.parse_args().check
    outputs = {}
    PICTURES.mkdir(exist_ok=True)
    for script in examples():
        draw = draws(script) and not is_check
        picture = PICTURES / f"{script.stem}.svg" if draw else None
        outputs[script.name] = output(script, picture)
    new = page(outputs)
    if not is_check:
        PAGE.write_text(new, encoding="utf-8", newline="\n")
        return 0
    stale = differences(PAGE.read_text(encoding="utf-8"), new)
    for line in stale:
        print(f"docs/gallery.md is out of date: {line}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
