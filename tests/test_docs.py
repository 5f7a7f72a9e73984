"""The pages are true: their examples run, their links lead somewhere."""

import doctest
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import autodiff

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), ROOT / "csrc/README.md"]
)
MODULES = [
    info.name
    for info in pkgutil.walk_packages(autodiff.__path__, "autodiff.")
    if not info.name.endswith("__main__")
]

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=[path.relative_to(ROOT).as_posix() for path in PAGES]
)


@each_page
def test_the_examples_of_a_page_run(page):
    results = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert results.failed == 0


@pytest.mark.parametrize("name", ["autodiff", *MODULES])
def test_the_examples_in_docstrings_run(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


@each_page
def test_relative_links_of_a_page_resolve(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    broken = [
        link
        for link in links
        if not re.match(r"[a-z]+:", link) and not (page.parent / link).exists()
    ]
    assert broken == []


@each_page
def test_files_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:csrc|autodiff|tools|tests|docs)/[\w./-]+)`", text)
    optional = {"autodiff/_core.c"}
    missing = [n for n in named if n not in optional and not (ROOT / n).exists()]
    assert missing == []


def test_the_readme_of_the_core_has_every_file():
    text = (ROOT / "csrc/README.md").read_text(encoding="utf-8")
    files = [
        p.name
        for p in (ROOT / "csrc").iterdir()
        if p.suffix in (".c", ".h", ".def", ".py")
    ]
    assert [name for name in sorted(files) if f"**{name}**" not in text] == []


def test_every_decision_is_numbered_and_dated():
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    for number, page in enumerate(pages, 1):
        assert page.name.startswith(f"{number:04}-")
        head, _, date, *_ = page.read_text(encoding="utf-8").splitlines()
        assert head.startswith(f"# {number}. ")
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", date)


# ---- docs/add-an-operation.md, performed ---------------------------------------------

# Records z = softsign(x), sweeps it, records another sweep and sweeps its result.
DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apply.h"
#include "sweep.h"

static ad_status on_leaf(void *context, ad_leaf *leaf, const ad_value *adjoint)
{
    (void)leaf;
    *(ad_value *)context = *adjoint;
    return AD_OK;
}

static ad_value gradient(ad_tape *tape, uint32_t entry, bool creates_graph)
{
    ad_value seed = {1.0, NULL, AD_NONE}, found = {0.0, NULL, AD_NONE};
    ad_sweep sweep = {.keeps_graph = true, .creates_graph = creates_graph,
                      .context = &found, .on_leaf = on_leaf};
    if (ad_sweep_reverse(tape, 1, &entry, &seed, &sweep) != AD_OK)
        exit(3);
    return found;
}

int main(int argc, char **argv)
{
    const char *bad = ad_op_init();
    int op = ad_op_find("softsign", (int)strlen("softsign"));
    if (bad != NULL || op < 0 || argc < 2)
        return 1;
    for (int i = 1; i < argc; i++) {
        ad_tape *tape = ad_tape_new();
        ad_handle handle = {.entry = AD_NONE};
        ad_leaf *leaf = calloc(1, sizeof *leaf);
        ad_value x = {strtod(argv[i], NULL), NULL, AD_NONE}, z;
        *leaf = (ad_leaf){.refs = 1, .handle = &handle};
        if (tape == NULL || ad_tape_make_room(tape) != AD_OK ||
            ad_tape_leaf_entry(tape, leaf, x.scalar, false, &x.entry) != AD_OK ||
            ad_apply(tape, op, 1, &x, NULL, &z) != AD_OK)
            return 2;
        double plain = gradient(tape, z.entry, false).scalar;
        ad_value recorded = gradient(tape, z.entry, true);
        double second = gradient(tape, recorded.entry, false).scalar;
        printf("%.17g %.17g %.17g %.17g\n", z.scalar, plain, recorded.scalar, second);
    }
    return 0;
}
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="calls the compiler as on Unix")
@pytest.mark.skipif(
    shutil.which(os.environ.get("CC", "cc")) is None, reason="needs a C compiler"
)
def test_an_operation_is_added_as_the_page_says(tmp_path):
    page = (ROOT / "docs/add-an-operation.md").read_text(encoding="utf-8")
    row = re.search(r"```c\n(OP1\(SOFTSIGN.*?)```", page, flags=re.DOTALL)[1]
    csrc = tmp_path / "csrc"
    shutil.copytree(ROOT / "csrc", csrc)
    with (csrc / "ops.def").open("a", encoding="utf-8") as table:
        table.write(row)
    (csrc / "driver.c").write_text(DRIVER, encoding="ascii")
    compiler = os.environ.get("CC", "cc")
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O0", "-ffp-contract=off", f"-I{csrc}"]
    sources = list(map(str, sorted(csrc.glob("*.c"))))
    program = str(tmp_path / "driver")
    subprocess.run([compiler, *flags, *sources, "-o", program, "-lm"], check=True)

    points = [-1e200, -3.0, -0.25, -1e-9, 1e-300, 0.5, 2.0, 1e9]
    done = subprocess.run(
        [program, *map(repr, points)], capture_output=True, text=True, check=True
    )
    for x, line in zip(points, done.stdout.splitlines(), strict=True):
        value, plain, recorded, second = map(float, line.split())
        assert value == pytest.approx(x / (1 + abs(x)), rel=1e-15)
        assert plain == recorded == pytest.approx((1 + abs(x)) ** -2, rel=1e-15)
        expected = -2 * (x > 0 or -1) * (1 + abs(x)) ** -3
        assert second == pytest.approx(expected, rel=1e-14)
