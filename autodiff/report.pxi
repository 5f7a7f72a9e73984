# The op table as data, and what the tape holds.

from collections import namedtuple

TapeInfo = namedtuple("TapeInfo", [
    "entries", "bytes", "bytes_per_entry", "capacity_bytes", "array_bytes", "collections",
], module="autodiff._core")
TapeInfo.__doc__ = """State of this thread's tape.

entries: recorded operations and leaves still held. bytes: what they occupy.
bytes_per_entry: 24. capacity_bytes: reserved for entries. array_bytes: elements that
array operations keep alive. collections: how often garbage was collected.
"""


def tape_info():
    """Return a TapeInfo of this thread's tape. Costs nothing."""
    cdef ad_tape *tape = ad_py_tape()
    size = sizeof(ad_entry)
    return TapeInfo(tape.n, tape.n * size, size, tape.cap * size, tape.node_bytes,
                    tape.n_collections)


Op = namedtuple("Op", [
    "name", "names", "n_args", "value", "partials", "domain", "smoothness", "ulp",
    "ulp_partial", "synopsis",
], module="autodiff._core")
Op.__doc__ = """A row of the op table.

name: canonical; names: with its aliases. value, partials: formulas in x, y, w and the
result z. domain: where the value is real. smoothness: "smooth", "kink" or "step".
ulp, ulp_partial: bounds on the errors, in units in the last place.
"""


def ops(bint internal=False):
    """Return the elementwise operations as a tuple of Op; with internal=True also
    those that only occur in derivatives."""
    rows = []
    cdef const ad_op_info *info
    for op in range(ad_op_count()):
        info = ad_op_get(op)
        names = tuple(info.names.decode().split())
        if info.n_args == 0 or (names[0].startswith("_") and not internal):
            continue
        rows.append(Op(
            names[0], names, info.n_args, info.value_text.decode(),
            tuple([info.partial_text[k].decode() for k in range(info.n_args)]),
            info.domain.decode(), ("smooth", "kink", "step")[info.smoothness], info.ulp,
            info.ulp_partial, info.synopsis.decode()))
    return tuple(rows)


def op_number(str name):
    """Number of the row that has this name; -1 if there is none."""
    cdef bytes key = name.encode()
    return ad_op_find(key, len(key))


def op_value(str name, double x, double y=0.0, double w=0.0):
    """Value of a row on plain numbers, by its C formula."""
    return ad_op_value(op_number(name), x, y, w)


def op_partial(str name, int k, double x, double y=0.0, double w=0.0):
    """Partial of a row in operand k on plain numbers, by its C formula."""
    op = op_number(name)
    return ad_op_partial(op, k, x, y, w, ad_op_value(op, x, y, w))


def apply_row(str name, *operands):
    """Apply a row by name, also an internal one."""
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    return apply_many(op_number(name), list(operands), &attr)


def collect():
    """Collect the garbage of this thread's tape now. Never needed."""
    cdef ad_tape *tape = ad_py_tape()
    if tape.n_locks == 0:
        check(tape, ad_tape_collect(tape, 0))
