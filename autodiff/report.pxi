# The op table as data, and what the tape holds.

from collections import namedtuple

from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.math cimport isfinite

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
    "name", "names", "n_args", "operands", "value", "partials", "domain", "smoothness",
    "ulp", "ulp_partial", "synopsis",
], module="autodiff._core")
Op.__doc__ = """A row of the op table.

name: canonical; names: with its aliases. operands: their keywords. value, partials:
formulas in x, y, w and the result z. domain: where the value is real. smoothness:
"smooth", "kink" or "step". ulp, ulp_partial: bounds on the errors, in units in the last
place.
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
            names[0], names, info.n_args,
            tuple([ad_row_operands(op)[k].decode() for k in range(info.n_args)]),
            info.value_text.decode(),
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
    if tape.n_locks == 0 and tape.redirect == NULL:
        check(tape, ad_tape_collect(tape, 0))


# ---- Where a NaN came from ------------------------------------------------------

cdef bint is_kept(int op, const ad_node *node, int k) noexcept:
    """Whether a rule reads operand k; of others the node has the shape only."""
    cdef const ad_op_info *info = ad_op_get(op)
    cdef int j
    if op == AD_OP_MATMUL:
        return node.args[1 - k].entry != AD_NONE
    if ad_linalg_has(op):
        for j in range(node.n_args):
            if node.args[j].entry != AD_NONE and ad_linalg_uses(op, j) >> k & 1:
                return True
        return False
    for j in range(info.n_args):
        if node.args[j].entry != AD_NONE and info.uses[j] >> k & 1:
            return True
    return False


cdef class Trace:
    """What the operations below a tensor computed, as far as that is known.

    Arrays that no rule needs were not kept: they are taken from tensors that are
    still alive, or computed again from what the operation was given.
    """

    cdef ad_tape *tape
    cdef bytearray reached        # 1 for each entry below the tensor
    cdef dict known               # entry of an array -> ndarray
    cdef dict alive               # entry of an array -> a tensor that has its value

    def __init__(self, x):
        refuse_graph(None, "nan_report()")
        self.tape = ad_py_tape()
        self.known = {}
        self.alive = {}
        cdef uint32_t top = root_entry(self.tape, x)
        self.reached = bytearray(top + 1)
        self.mark(top)
        self.find_alive()

    cdef int mark(self, uint32_t top) except -1:
        cdef char *reached = PyByteArray_AS_STRING(self.reached)
        cdef ad_entry *e
        cdef int64_t i
        cdef int k
        reached[top] = 1
        for i in range(top, -1, -1):
            if not reached[i]:
                continue
            e = &self.tape.entries[i]
            if e.kind == AD_KIND_FREED:
                check(self.tape, AD_FREED)
            if e.kind == AD_KIND_NODE:
                for k in range(e.u.node.n_args):
                    if e.u.node.args[k].entry != AD_NONE:
                        reached[e.u.node.args[k].entry] = 1
            elif e.kind != AD_KIND_LEAF:
                reached[e.x] = 1
                if e.kind == AD_KIND_BINARY:
                    reached[e.u.y] = 1
        return 0

    cdef int find_alive(self) except -1:
        cdef ad_handle *h = self.tape.handles.next
        cdef ad_tensor *t
        cdef ad_entry *e
        while h != &self.tape.handles:
            t = ad_tensor_of(h)
            e = &self.tape.entries[h.entry]
            if (t.array != NULL and e.kind == AD_KIND_NODE
                    and t.array.buffer.version == e.u.node.result_version):
                self.alive[h.entry] = <object>t
            h = h.next
        return 0

    cdef object result(self, uint32_t i):
        """The value of an entry, None if it is not known."""
        cdef ad_entry *e = &self.tape.entries[i]
        if not e.flags & AD_FLAG_ARRAY:
            return e.value
        if i in self.known:
            return self.known[i]
        if i in self.alive:
            return values_of(self.alive[i])
        if e.kind == AD_KIND_LEAF:
            if e.u.leaf.handle == NULL or e.u.leaf.handle.entry != i:
                return None
            return values_of(<object>e.u.leaf.owner)
        if e.u.node.result.data != NULL:
            return view_of(e.u.node.result, True)
        return None

    cdef object operand(self, int op, const ad_node *node, int k):
        cdef const ad_arg *arg = &node.args[k]
        if arg.array == NULL:
            return arg.scalar
        if is_kept(op, node, k):
            intact = arg.array.buffer.version == arg.version
            return view_of(<ad_array *>arg.array, True) if intact else None
        return None if arg.entry == AD_NONE else self.result(arg.entry)

    def operands(self, uint32_t i):
        """Values of the operands of entry i; None for one that is not known."""
        cdef ad_entry *e = &self.tape.entries[i]
        cdef ad_value args[3]
        cdef int k
        if e.kind == AD_KIND_NODE:
            return tuple([self.operand(e.op, e.u.node, k)
                          for k in range(e.u.node.n_args)])
        return tuple([args[k].scalar for k in range(ad_entry_args(self.tape, e, args))])

    def is_constant(self, uint32_t i, int k):
        """Whether operand k of entry i is passive."""
        cdef ad_entry *e = &self.tape.entries[i]
        cdef ad_value args[3]
        if e.kind == AD_KIND_NODE:
            return e.u.node.args[k].entry == AD_NONE
        ad_entry_args(self.tape, e, args)
        return args[k].entry == AD_NONE

    def adjoint_shape(self, uint32_t i, int k):
        """Shape of what a sweep forms for operand k of entry i, before it is summed
        to the operand's own."""
        cdef ad_entry *e = &self.tape.entries[i]
        cdef ad_array *a
        if e.kind != AD_KIND_NODE:
            return ()
        a = e.u.node.result if ad_op_get(e.op).n_args > 0 else e.u.node.args[k].array
        return () if a == NULL else tuple([a.shape[d] for d in range(a.ndim)])

    def value(self, uint32_t i):
        """The value of entry i, computed again if need be; None if that fails."""
        found = self.result(i)
        if found is None:
            operands = self.operands(i)
            if operands and not any(x is None for x in operands):
                found = self.known[i] = self.again(i, operands)
        return found

    cdef object again(self, uint32_t i, tuple operands):
        cdef ad_entry *e = &self.tape.entries[i]
        cdef ad_attr attr = e.u.node.attr
        cdef bint was = self.tape.is_recording
        if e.op == AD_OP_CUSTOM:
            return None
        attr.shape = e.u.node.result
        self.tape.is_recording = False
        try:
            return values_of(apply_many(e.op, list(operands), &attr))
        finally:
            self.tape.is_recording = was

    def name(self, uint32_t i):
        """The operation's name; "input" for a leaf."""
        cdef ad_entry *e = &self.tape.entries[i]
        if e.kind == AD_KIND_LEAF:
            return "input"
        if e.op == AD_OP_CUSTOM and e.kind == AD_KIND_NODE:
            return (<object>e.u.node.attr.object).name()
        return ad_op_name(e.op).decode()

    def line(self, uint32_t i):
        """Where entry i was recorded, or None."""
        return entry_line(self.tape, i)

    def top(self):
        """The entry of the tensor itself."""
        return len(self.reached) - 1

    def edges(self, uint32_t i):
        """The entries of the operands of entry i, None for a passive one."""
        cdef ad_entry *e = &self.tape.entries[i]
        cdef ad_value args[3]
        cdef int k
        if e.kind == AD_KIND_LEAF:
            return ()
        if e.kind == AD_KIND_NODE:
            found = [e.u.node.args[k].entry for k in range(e.u.node.n_args)]
        else:
            found = [args[k].entry for k in range(ad_entry_args(self.tape, e, args))]
        return tuple([None if entry == AD_NONE else entry for entry in found])

    def tensor(self, uint32_t i):
        """A tensor on entry i: the leaf itself; of others, for sweeps to end at."""
        return tensor_at(self.tape, i)

    def shape(self, uint32_t i):
        """The shape of entry i's value."""
        return shape_of(tensor_at(self.tape, i))

    def next_suspect(self, int64_t i):
        """The first entry after i that is reached and is an array, or a scalar that
        is not finite; -1 if there is none."""
        cdef char *reached = PyByteArray_AS_STRING(self.reached)
        cdef ad_entry *entries = self.tape.entries
        cdef int64_t n = len(self.reached)
        i += 1
        while i < n and not (reached[i] and (entries[i].flags & AD_FLAG_ARRAY
                                             or not isfinite(entries[i].value))):
            i += 1
        return i if i < n else -1


cdef ad_status skip_leaf(void *context, ad_leaf *leaf, const ad_value *adjoint) noexcept:
    return AD_OK


cdef ad_status skip_watch(void *context, void *owner, ad_value *adjoint,
                          c_bool *ends) noexcept:
    return AD_OK


def sweep_checked(x, seed, bint strict_nan):
    """Sweep from x until an operation makes a NaN or an infinity; change nothing.

    None if none does, else (entry, operand, element, adjoint, product): what was sent
    to which element of which operand of that entry is the product, and the adjoint it
    was made of (NaN if there is no one element that it was made of).
    """
    refuse_graph(None, "nan_report()")
    cdef ad_tape *tape = ad_py_tape()
    cdef uint32_t entry = root_entry(tape, x)
    cdef ad_value v
    cdef ad_status status
    cdef ad_sweep how = switches(tape, plain, True, False, strict_nan)
    how.on_leaf, how.on_watch = skip_leaf, skip_watch
    how.checks_nan = how.checks_inf = True
    seed_value(tape, x, seed, &v)
    status = ad_sweep_reverse(tape, 1, &entry, &v, &how)
    ad_array_drop(v.array)
    if status != AD_NAN:
        check(tape, status)
        return None
    found = (tape.failed_entry, tape.failed_operand, tape.failed_element,
             tape.failed_adjoint, tape.failed_product)
    tape.message.text[0] = 0
    tape.failed_entry = AD_NONE
    return found
