# Programs as data: bytes that can be kept, and instructions that can be read.

Instruction = namedtuple("Instruction", [
    "op", "args", "shape", "attributes", "number", "line",
], module="autodiff._core")
Instruction.__doc__ = """An instruction of a program; number i makes value i.

op: name of the operation. args: values that it reads. shape: of its result; () is a
number. attributes: dict of what it needs beside operands (arrays are views, read-only).
number: of a "const" of shape (), else None. line: where it was recorded, or None.
"""


cdef class TextTable:
    """Texts of lines on their way into a file: the bytes that C looks at."""

    cdef bytes current


cdef const char *text_of_line(void *context, uint32_t line, size_t *n) noexcept:
    """Hook: the text of a line's id."""
    cdef TextTable table = <TextTable>context
    try:
        text = line_texts[line] if line < <uint32_t>len(line_texts) else None
        table.current = (text or "").encode()
        n[0] = len(table.current)
        return table.current
    except BaseException:
        return NULL


cdef uint32_t line_of_text(void *context, const char *text, size_t n) noexcept:
    """Hook: an id for a text; 0 if it is none."""
    try:
        return intern_line(text[:n].decode("utf-8", "replace")) if n > 0 else 0
    except BaseException:
        return 0


cdef uint32_t intern_line(str text) except? 0:
    found = line_ids.get(text)
    if found is None:
        found = line_ids[text] = len(line_texts)
        line_texts.append(text)
    return found


cdef ad_line_texts line_table(TextTable table):
    cdef ad_line_texts texts
    texts.context = <void *>table
    texts.text = text_of_line
    texts.line = line_of_text
    return texts


cdef bytes program_bytes(ad_program *p):
    """A program in the format of csrc/program_layout.h."""
    cdef TextTable table = TextTable()
    cdef ad_line_texts texts = line_table(table)
    cdef ad_bytes data
    data.data, data.n, data.cap, data.has_failed = NULL, 0, 0, False
    try:
        check(ad_py_tape(), ad_program_write(p, &texts, &data))
        return data.data[:data.n]
    finally:
        free(data.data)


def program_from_bytes(bytes data):
    """Return the Program that `to_bytes` made bytes of, verified.

    Raises
    ------
    ProgramError
        When the bytes are anything else.
    """
    cdef TextTable table = TextTable()
    cdef ad_line_texts texts = line_table(table)
    cdef ad_tape *tape = ad_py_tape()
    cdef ad_program *p = NULL
    check(tape, ad_program_read(data, len(data), &texts, &p, &tape.message))
    return program_new(p)


cdef dict loop_of(const ad_scan *scan):
    """What csrc/scan.h says of a loop; "body" is a Program."""
    snapshots = {"snapshots": scan.n_snapshots} if scan.n_snapshots > 0 else {}
    return {
        "steps": scan.n_steps, "shared": scan.n_shared, "carry": scan.n_carry,
        "rows": scan.n_rows, "out_rows": scan.n_out_rows, "sums": scan.n_out_sums,
        "reversed": bool(scan.is_reversed), "keeps_carry": bool(scan.keeps_carry),
        "has_exit": bool(scan.has_exit), "has_count": bool(scan.has_count),
        **snapshots,
        "body": program_new(ad_program_keep(scan.body)),
    }


cdef dict attributes_of(const ad_program *p, uint32_t i):
    """What counts of an instruction's attributes."""
    cdef const ad_instr *instr = &p.instr[i]
    cdef const ad_extra *extra
    cdef dict found = {}
    if instr.extra == AD_NONE:
        return found
    extra = &p.extras[instr.extra]
    name = ad_op_name(instr.op)
    if extra.value != NULL:
        found["value"] = view_of(extra.value, True)
    if extra.n_strides > 0 or name in (b"as_strided", b"sum"):
        found["offset"] = extra.attr.offset
        found["strides"] = tuple([extra.attr.strides[k] for k in range(extra.n_strides)])
    if extra.attr.index != NULL:
        size = extra.attr.index.size
        found["index"] = np.frombuffer(
            (<char *>extra.attr.index.at)[:size * 8], dtype=np.int64)
    if name in (b"cat", b"cumsum"):
        found["axis"] = extra.attr.axis
    if name in (b"cumsum", b"amax"):
        found["reverse"] = bool(extra.attr.reverse)
    if extra.attr.scan != NULL:
        found.update(loop_of(extra.attr.scan))
    if name == b"matmul":
        found["trans_x"] = bool(extra.attr.trans_x)
        found["trans_y"] = bool(extra.attr.trans_y)
    if name in (b"solve", b"lstsq"):
        found["trans_x"] = bool(extra.attr.trans_x)
        found["is_lenient"] = bool(extra.attr.is_lenient)
    return found


cdef object instruction_of(const ad_program *p, uint32_t i):
    cdef const ad_instr *instr = &p.instr[i]
    cdef const uint32_t *args = ad_instr_args(p, instr)
    is_number = instr.op == AD_OP_CONST and instr.shape == 0
    return Instruction(
        ad_op_name(instr.op).decode(), tuple([args[k] for k in range(instr.n_args)]),
        shape_at(p, i), attributes_of(p, i), instr.number if is_number else None,
        line_texts[instr.line] if instr.line < <uint32_t>len(line_texts) else None)
