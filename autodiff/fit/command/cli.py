"""The ``autodiff`` command: arguments in, exit code out, never a traceback."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from autodiff.fit.command.arguments import build_parser, parse_arguments
from autodiff.fit.command.streams import abandon_output, complain, prepare_output
from autodiff.fit.errors import FitError, FormulaError, UsageError

__all__ = ["main"]

INTERRUPTED, PIPE_BROKEN, FAILED = 130, 141, 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        The exit code: 0 converged, 2 usage or formula, 3 data, 4 not converged,
        5 not determinable; 130 interrupted, 141 the reader has gone, 1 anything else.
    """
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except FitError as error:
        caret = [error.caret()] if isinstance(error, FormulaError) else []
        complain(str(error), *caret)
        return error.exit_code
    except SystemExit as stop:  # argparse, after --help
        return int(stop.code or 0)
    except KeyboardInterrupt:
        _finish_output()
        complain("interrupted")
        return INTERRUPTED
    except MemoryError:
        complain("not enough memory for these data")
        return 3
    except BrokenPipeError:
        abandon_output()
        return PIPE_BROKEN
    except OSError as error:  # the disk is full
        abandon_output()
        complain(f"cannot write the result: {error.strerror or error}")
        return FAILED
    except Exception as error:
        return _last_resort(error)


def _finish_output() -> None:
    """Write what is buffered, so that the interpreter has nothing to fail at later."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        abandon_output()


def _last_resort(error: Exception) -> int:
    """Tell of a fault of ours in one line."""
    if os.environ.get("AUTODIFF_TRACEBACK"):
        raise error
    kind = type(error).__name__
    fault = UsageError(
        "U179",
        f"a fault of the program, not yours ({kind}: {error}); please report it, with "
        "what AUTODIFF_TRACEBACK=1 prints",
    )
    complain(str(fault))
    return FAILED


def _run(argv: Sequence[str]) -> int:
    options = parse_arguments(argv)
    prepare_output()
    if options.version:
        import autodiff

        print(f"autodiff {autodiff.__version__}")
        return 0
    if options.command is None:
        raise UsageError(
            "U170",
            "a command is missing, as in: autodiff fit 'y ~ w*x + b' data.csv; "
            "see autodiff --help",
        )
    return _command(options.command)(options)


def _command(name: str) -> Callable[[Namespace], int]:
    """Return what runs a command; the others are not imported."""
    if name == "fit":
        from autodiff.fit.command.fit import run_fit

        return run_fit
    if name == "predict":
        from autodiff.fit.command.predict import run_predict

        return run_predict
    if name == "compare":
        from autodiff.fit.command.compare import run_compare

        return run_compare
    if name == "check":
        from autodiff.fit.command.check import run_check

        return run_check
    if name == "explain":
        from autodiff.fit.command.explain import run_explain

        return run_explain
    from autodiff.fit.command.completion import print_completion

    return lambda options: print_completion(options.shell, build_parser())
