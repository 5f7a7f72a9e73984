"""``autodiff explain CODE``: the page of a code, or a list of all."""

from __future__ import annotations

from argparse import Namespace

from autodiff.fit.catalogue import FAMILIES, codes, page

__all__ = ["run_explain"]


def run_explain(options: Namespace) -> int:
    """Print the page of a code, or all codes with their titles."""
    if options.code:
        found = page(options.code)
        print(f"{found.code}: {found.title}\n\n{found.text}")
        return 0
    family = ""
    for code in codes():
        if code[0] != family:
            print(f"{chr(10) * bool(family)}{FAMILIES[code[0]]}")
            family = code[0]
        print(f"  {code}  {page(code).title}")
    return 0
