"""The C functions that formulas name and math.h lacks: as text, only those needed.

They are the library's own, csrc/elementary*: the sources lie beside the package in the
tree, and in one file with it where it is installed. A source is cut into its top-level
pieces; what a piece names leads to the pieces it needs. Order follows need, so no
declarations are left over, and everything becomes static.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

INSTALLED = Path(__file__).with_name("elementary.txt")
TREE = Path(__file__).parents[2] / "csrc"
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
MARK = "/* ==== "  # before each file in the installed text


@dataclass(frozen=True)
class Piece:
    """A function, table, type or macro of one source."""

    name: str
    source: str
    text: str
    words: frozenset[str]  # the identifiers in it, as they were in the source


def sources() -> dict[str, str]:
    """Return the text of each csrc/elementary* by name."""
    if INSTALLED.is_file():
        parts = INSTALLED.read_text(encoding="ascii").split(MARK)[1:]
        return dict(part.split(" */\n", 1) for part in parts)
    files = sorted(TREE.glob("elementary*.[ch]"))
    return {path.name: path.read_text(encoding="ascii") for path in files}


def helpers(text: str) -> str:
    """Return the pieces that C text needs, each behind what it needs itself.

    A word that is no helper of ours is the C library's, or the text's own.
    """
    made: dict[str, None] = {}
    seen: set[Piece] = set()

    def need(piece: Piece) -> None:
        if piece in seen:  # also a function that names itself
            return
        seen.add(piece)
        for word in sorted(piece.words):
            for other in find(word, piece.source):
                need(other)
        made[piece.text] = None

    for word in sorted(set(re.findall(r"\b([A-Za-z_]\w*)\s*\(", text))):
        for piece in find(word, ""):
            need(piece)
    return "\n\n".join(made)


def find(word: str, source: str) -> list[Piece]:
    """Return the piece of that name: of the same source, or of any."""
    known = _pieces().get(word, [])
    own = [piece for piece in known if piece.source == source]
    return (own or known)[:1]


@cache
def _pieces() -> dict[str, list[Piece]]:
    found: dict[str, list[Piece]] = {}
    for source, text in sources().items():
        for piece in _cut(source, text):
            found.setdefault(piece.name, []).append(piece)
    # In one file two sources cannot use one name for two things.
    clashes = [n for n, same in found.items() if len({p.text for p in same}) > 1]
    for name in clashes:
        for same in found.values():
            same[:] = [_renamed(piece, name) for piece in same]
    return found


def _renamed(piece: Piece, name: str) -> Piece:
    """Return the piece with the name made its source's own."""
    own = f"{name}_{Path(piece.source).stem.removeprefix('elementary_').upper()}"
    return replace(piece, text=re.sub(rf"\b{name}\b", own, piece.text))


def _cut(source: str, text: str) -> Iterator[Piece]:
    """Cut a source in our layout into pieces; declarations and guards are left out."""
    text = re.sub(r"/\* clang-format \w+ \*/\n", "", text)
    pattern = re.compile(
        r"(?P<comment>(?:^/\*(?:[^*]|\*(?!/))*\*/\n)?)"
        r"(?P<code>^\#define[^\n]*(?:\\\n[^\n]*)*"  # a macro
        r"|^[A-Za-z_][^;{}]*\)\n\{\n.*?^\}"  # a function
        r"|^(?:static |typedef |enum )[^;()]*?\{.*?\}[^;\n]*;"  # a table, type, enum
        r"|^static const [^;(){]*;)",
        re.MULTILINE | re.DOTALL,
    )
    for match in pattern.finditer(text):
        code = match["code"]
        words = frozenset(re.findall(r"[A-Za-z_]\w*", re.sub(COMMENT, "", code)))
        for name in _names(code):
            yield Piece(name, source, match["comment"] + _static(code), words)


def _names(code: str) -> list[str]:
    """Return what a piece defines."""
    if code.startswith("#define"):
        found = re.match(r"#define (\w+)(.*)", code)
        assert found is not None
        return [found[1]] if found[2].strip() else []  # an include guard has no value
    if code.startswith("typedef"):
        return re.findall(r"(\w+);$", code)
    if code.startswith("enum"):
        return re.findall(r"(\w+) =", code)
    found = re.match(r"[^=({]*?(\w+)\s*(?:\[[^=]*\])?\s*[=({;]", code)
    return [found[1]] if found is not None else []


def _static(code: str) -> str:
    """Return the piece for one file alone."""
    if code.startswith(("#", "typedef", "enum", "static")):
        return code
    return "static " + code
