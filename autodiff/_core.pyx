# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The native engine: converts, checks, calls.

Python objects come in, are checked, and become values of the C core; statuses of
the core become exceptions. No derivative rule lives here. The parts:

    convert.pxi    NumPy arrays and nested lists to values and back, comparisons
    structure.pxi  operations that move, join and reduce elements
    graph.pxi      leaves, hooks, grad_fn, grad mode, aliases
    backward.pxi   reverse and tangent sweeps, custom functions
    transform.pxi  functions recorded for a transform, what they close over
    report.pxi     the op table as data, tape_info, where a NaN came from
    recording.pxi  functions being recorded as programs
    program.pxi    programs, their derivatives, and loops in them
    tracing.pxi    what may be done with a value of a function that is being recorded
    run.pxi        programs at work: over one point, or over rows
    program_data.pxi  programs as bytes, and as instructions to read
    optimize.pxi   steps of the optimisers
    override.pxi   rules of the user's in the place of an operation's own
    pattern.pxi    sparsity patterns of programs, colourings of patterns
"""

import contextlib
import sys
import warnings

import numpy as np

from autodiff import callsite, errors
from autodiff.plain import PlainArray

cimport cython
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_ND, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset


cdef inline ad_tensor *as_tensor(object x) noexcept:
    return <ad_tensor *><PyObject *>x


cdef int set_status(ad_tape *tape, int status) noexcept:
    """Raise the exception of a status; -1, for the caller to return."""
    try:
        check(tape, <ad_status>status)
    except BaseException as error:
        restore(error)
    return -1


cdef void restore(object error) noexcept:
    """Make an exception that was caught the pending one."""
    PyErr_SetObject(type(error), error)


cdef int check(ad_tape *tape, ad_status status) except -1:
    """The only translator of core failures to Python exceptions."""
    if status == AD_OK:
        return 0
    cdef bytes text = tape.message.text
    tape.message.text[0] = 0
    places = {"recorded": entry_line(tape, tape.failed_entry),
              "changed": line_texts[tape.changed_line]}
    tape.failed_entry, tape.changed_line = AD_NONE, 0
    if status == AD_CALLBACK:
        raise take_callback_error()
    name = ad_status_exception(status).decode()
    message = (text if text else ad_status_text(status)).decode()
    known = "; ".join([f"{what} at {place}" for what, place in places.items() if place])
    if known:
        message += f" ({known})"
    raise getattr(errors, name, MemoryError)(message)


include "convert.pxi"
include "structure.pxi"
include "graph.pxi"
include "backward.pxi"
include "transform.pxi"
include "report.pxi"
include "recording.pxi"
include "program.pxi"
include "tracing.pxi"
include "run.pxi"
include "program_data.pxi"
include "pattern.pxi"
include "optimize.pxi"
include "override.pxi"


# ---- Module start ---------------------------------------------------------------

ad_py.to_value = to_value
ad_py.to_numpy = to_numpy
ad_py.compare = compare
ad_py.matmul = matmul_slot
ad_py.custom_tangent = on_custom_tangent
ad_py.large_matmul = large_matmul
ad_py.linalg = fill_decomposition
ad_py.set_status = set_status
ad_py.warn_lost = warn_lost
ad_py.drop_object = drop_object
ad_py.is_inside = is_inside
ad_py.new_line = new_line
ad_py.check_masks = check_masks
ad_py.before_inplace = before_inplace
ad_py.capture = capture
ad_py.guard = guard
ad_py.leave_entry = leave_entry
ad_py.follow_entry = follow_entry
ad_py.hooked_leaf = on_leaf
ad_py.keep_error = keep_pending
ad_py.overridden = overridden
ad_py.note_unrecorded = note_unrecorded
ad_py.overridden_inplace = overridden_inplace

cdef const char *bad_formula = ad_op_init()
if bad_formula != NULL:
    raise SystemError(f"ops.def: this formula does not parse: {bad_formula.decode()}")

Tensor = ad_tensor_type_new()
FUNCTIONS = ad_row_functions()
for name, method in ad_row_methods().items():
    setattr(Tensor, name, method)
del name, method
