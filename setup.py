"""Build the one extension module, autodiff._core: csrc/*.c, autodiff/*.c and _core.pyx.

Everything else about the package is in pyproject.toml. Nothing here depends on the
processor that builds: kernels get their SIMD variants by target_clones, chosen at run
time, and only where a probe shows that the compiler and the C library at hand can.

Environment:
    AUTODIFF_SANITIZE=address,undefined   build with these sanitizers
    AUTODIFF_DEBUG=1                      turn on assertions (NDEBUG off, AD_DEBUG on)
"""

import hashlib
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError, LinkError

C_FILES = sorted({*glob("csrc/*.c"), *glob("autodiff/*.c")} - {"autodiff/_core.c"})
INCLUDED = ["setup.py", *glob("csrc/*.h"), *glob("csrc/*.def"), *glob("autodiff/*.h")]

# No contraction: scalars, lanes and replay must round alike. No errno, no traps: nobody
# reads them, and without them loops vectorise. Never -ffast-math, never -march.
UNIX = ["-std=c11", "-O2", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]
MSVC = ["/O2", "/std:c11"]

# A loop, in clones, over a SIMD function: it must compile without a warning and link to
# a caller in another file (some compilers give the clones' dispatcher a private name).
LOOP = """
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
void run(double *v, int n) { for (int i = 0; i < n; i++) v[i] = %s; }
"""
CALLER = """void run(double *v, int n);
static double a[64];
int main(void) { run(a, 64); return 0; }
"""
SIMD = '__attribute__((simd("notinbranch"))) double %s(double);'
PROBES = {  # macro: (program, libraries)
    "AD_HAVE_TARGET_CLONES": (LOOP % "2 * v[i]", ["m"]),
    "AD_HAVE_LIBMVEC": (SIMD % "exp" + LOOP % "exp(v[i])", ["mvec", "m"]),
    # tanh and erf stand for what came with glibc 2.35.
    "AD_HAVE_LIBMVEC_235": (
        SIMD % "tanh" + SIMD % "erf" + LOOP % "tanh(erf(v[i]))",
        ["mvec", "m"],
    ),
}


def unix_flags() -> list[str]:
    """Return the flags of every file, by what the environment asks for."""
    debug = os.environ.get("AUTODIFF_DEBUG", "0") not in ("", "0")
    sanitize = os.environ.get("AUTODIFF_SANITIZE")
    flags = [*UNIX, "-fvisibility=hidden", "-g" if debug or sanitize else "-g0"]
    flags += ["-UNDEBUG", "-DAD_DEBUG=1"] if debug else ["-DNDEBUG"]
    if sanitize:
        flags += [f"-fsanitize={sanitize}", "-fno-omit-frame-pointer"]
    return flags


class BuildExt(build_ext):
    """Compile in parallel, with flags by file, and only what changed."""

    def build_extension(self, ext: Extension) -> None:
        common, kernel = MSVC, []
        if self.compiler.compiler_type != "msvc":
            common, kernel, ext.libraries = unix_flags(), ["-O3"], ["m"]
            ext.extra_link_args = [flag for flag in common if "sanitize" in flag]
            if "-g0" in common and sys.platform == "linux":
                ext.extra_link_args = ["-Wl,-s"]
            for macro, (program, libraries) in PROBES.items():
                if self.links(program, [*common, *kernel], libraries):
                    kernel = [*kernel, f"-D{macro}=1"]
                    ext.libraries = libraries

        def compile_one(source: str) -> str:
            is_kernel = os.path.basename(source).startswith("kernel")
            return self.compile_stale(source, common + kernel * is_kernel)

        core = cythonize(ext.sources, build_dir=f"{self.build_temp}/cython")[0].sources
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Cython's, the longest, first
            ext.extra_objects = list(pool.map(compile_one, core + C_FILES))
        ext.sources, self.force = [], True  # what is left to do is the link
        super().build_extension(ext)

    def compile_stale(self, source: str, flags: list[str]) -> str:
        """Return the object file of `source`, compiled now unless it is up to date."""
        command = [*getattr(self.compiler, "compiler_so", []), *flags]
        key = hashlib.sha256(repr(command).encode()).hexdigest()[:12]
        folder = f"{self.build_temp}/{key}"
        [target] = self.compiler.object_filenames([source], output_dir=folder)
        newest = max(os.path.getmtime(path) for path in [source, *INCLUDED])
        if not os.path.exists(target) or os.path.getmtime(target) <= newest:
            options = {"include_dirs": ["csrc", "autodiff"], "extra_postargs": flags}
            self.compiler.compile([source], output_dir=folder, **options)
        return target

    def links(self, program: str, flags: list[str], libraries: list[str]) -> bool:
        """Whether a probe compiles without a warning and links."""
        with tempfile.TemporaryDirectory() as folder:
            sources = [f"{folder}/loop.c", f"{folder}/caller.c"]
            for source, text in zip(sources, [program, CALLER], strict=True):
                Path(source).write_text(text, encoding="ascii")
            options = {"output_dir": folder, "extra_postargs": [*flags, "-Werror"]}
            try:
                objects = self.compiler.compile(sources, **options)
                options = {"libraries": libraries, "extra_postargs": flags}
                self.compiler.link_executable(objects, f"{folder}/probe", **options)
            except (CompileError, LinkError):
                return False
        return True


class BuildPy(build_py):
    """Put the C helpers, which exported programs print, into the package as text."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "autodiff", "programs", "elementary.txt")
        files = sorted(map(Path, glob("csrc/elementary*.[ch]")))
        text = [f"/* ==== {path.name} */\n{path.read_text()}" for path in files]
        self.mkpath(str(target.parent))
        target.write_text("".join(text), encoding="ascii")


setup(
    ext_modules=[Extension("autodiff._core", ["autodiff/_core.pyx"])],
    cmdclass={"build_ext": BuildExt, "build_py": BuildPy},
)
