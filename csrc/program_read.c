/*
 * program_read.c - ad_program_read of program_file.h.
 *
 * Nothing is believed: a count is bounded by the bytes that are left, before anything is
 * allocated for it, and after the first failure everything reads as 0. What has been
 * read is verified as a whole.
 */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "program_file.h"
#include "program_layout.h"
#include "scan.h"

typedef struct reader {
    const uint8_t *at;
    size_t left;
    ad_status status; /* of the first failure; all reads after it give 0 */
    const char *what; /* that was being read */
    const char *unknown; /* operation, or NULL; n_unknown bytes */
    int n_unknown;
    int *op; /* of each name */
    uint32_t *line; /* the upper layer's id of each line */
    uint32_t n_names, n_lines;
    int depth; /* of loops around what is read */
    const ad_line_texts *texts;
} reader;

static void fail(reader *r, ad_status status)
{
    if (r->status == AD_OK)
        r->status = status;
    r->left = 0;
}

static const uint8_t *take(reader *r, size_t n)
{
    if (n > r->left) {
        fail(r, AD_INVALID);
        return NULL;
    }
    r->at += n;
    r->left -= n;
    return r->at - n;
}

static uint64_t take_number(reader *r, int n_bytes)
{
    const uint8_t *data = take(r, (size_t)n_bytes);
    uint64_t number = 0;
    for (int i = 0; i < n_bytes && data != NULL; i++)
        number |= (uint64_t)data[i] << 8 * i;
    return number;
}

static uint32_t take_u32(reader *r)
{
    return (uint32_t)take_number(r, 4);
}

static int64_t take_i64(reader *r)
{
    const uint64_t bits = take_number(r, 8);
    int64_t number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static double take_double(reader *r)
{
    const uint64_t bits = take_number(r, 8);
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* The count of a table whose rows take `row_bytes` at least: what is left bounds it,
 * and so what is allocated for it. */
static uint32_t take_count(reader *r, const char *what, size_t row_bytes)
{
    if (r->status == AD_OK)
        r->what = what;
    const uint32_t n = take_u32(r);
    if (n > r->left / row_bytes)
        fail(r, AD_INVALID);
    return r->status == AD_OK ? n : 0;
}

/* Zeros for n rows and one more; a failure is noted. */
static void *rows(reader *r, size_t n, size_t bytes)
{
    void *at = calloc(n + 1, bytes);
    if (at == NULL)
        fail(r, AD_NO_MEMORY);
    return at;
}

/* Number of axes and extents. -1: failed. */
static int take_shape(reader *r, int64_t *extents)
{
    const int ndim = (int)take_number(r, 1);
    if (ndim > AD_MAX_NDIM)
        fail(r, AD_INVALID);
    for (int i = 0; i < ndim && r->status == AD_OK; i++)
        if ((extents[i] = take_i64(r)) < 0)
            fail(r, AD_INVALID);
    return r->status == AD_OK ? ndim : -1;
}

/* What a message can show. */
static bool is_word(const uint8_t *name, int length)
{
    for (int i = 0; i < length; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return false;
    return length > 0;
}

static void take_names(reader *r)
{
    const uint32_t n = take_count(r, "names", 1);
    r->op = rows(r, n, sizeof *r->op);
    for (uint32_t i = 0; i < n && r->status == AD_OK; i++) {
        const int length = (int)take_number(r, 1);
        const uint8_t *name = take(r, (size_t)length);
        r->op[i] = name != NULL ? ad_op_find((const char *)name, length) : -1;
        if (r->op[i] >= 0)
            continue;
        if (name != NULL && is_word(name, length)) {
            r->unknown = (const char *)name;
            r->n_unknown = length;
        }
        fail(r, AD_INVALID);
    }
    r->n_names = n;
}

static void take_lines(reader *r)
{
    const uint32_t n = take_count(r, "lines", 2);
    r->line = rows(r, n, sizeof *r->line);
    for (uint32_t i = 0; i < n && r->status == AD_OK; i++) {
        const size_t length = (size_t)take_number(r, 2);
        const uint8_t *text = take(r, length);
        if (text != NULL)
            r->line[i] = r->texts->line(r->texts->context, (const char *)text, length);
    }
    r->n_lines = n;
}

static uint32_t take_line(reader *r)
{
    const uint32_t number = take_u32(r);
    if (number > r->n_lines)
        fail(r, AD_INVALID);
    return number > 0 && r->status == AD_OK ? r->line[number - 1] : 0;
}

static void take_shapes(reader *r, ad_program *p)
{
    const uint32_t n = take_count(r, "shapes", 1);
    int64_t extents[AD_MAX_NDIM];
    p->shapes = rows(r, n, sizeof *p->shapes);
    p->n_shapes = p->shapes != NULL ? n + 1 : 0;
    for (uint32_t i = 1; i <= n && r->status == AD_OK; i++) {
        const int ndim = take_shape(r, extents);
        if (ndim >= 0 && (p->shapes[i] = ad_array_ghost(ndim, extents)) == NULL)
            fail(r, AD_NO_MEMORY);
    }
}

static ad_index *take_index(reader *r)
{
    const int64_t n = take_i64(r);
    if (n < 0 || (uint64_t)n > r->left / 8)
        fail(r, AD_INVALID);
    ad_index *index = r->status == AD_OK ? ad_index_new(n) : NULL;
    if (index == NULL) {
        fail(r, AD_NO_MEMORY);
        return NULL;
    }
    for (int64_t k = 0; k < n; k++)
        index->at[k] = take_i64(r);
    return index;
}

static ad_array *take_value(reader *r)
{
    int64_t extents[AD_MAX_NDIM];
    const int ndim = take_shape(r, extents);
    if (ndim >= 0 && (uint64_t)ad_shape_size(ndim, extents) > r->left / 8)
        fail(r, AD_INVALID);
    ad_array *value = r->status == AD_OK ? ad_array_new(ndim, extents) : NULL;
    if (value == NULL) {
        fail(r, AD_NO_MEMORY);
        return NULL;
    }
    for (int64_t k = 0; k < value->size; k++)
        value->data[k] = take_double(r);
    return value;
}

static void take_program(reader *r, ad_program *p);

/* A program inside of one: the same bytes, tables of its own. NULL: failed. */
static ad_program *take_body(reader *r)
{
    if (r->depth == MAX_DEPTH)
        fail(r, AD_INVALID);
    ad_program *body = r->status == AD_OK ? calloc(1, sizeof *body) : NULL;
    if (body == NULL) {
        fail(r, AD_NO_MEMORY);
        return NULL;
    }
    body->refs = 1;
    const reader outer = *r;
    r->depth++;
    take_program(r, body);
    free(r->op);
    free(r->line);
    r->op = outer.op;
    r->line = outer.line;
    r->n_names = outer.n_names;
    r->n_lines = outer.n_lines;
    r->depth--;
    if (r->status == AD_OK)
        return body;
    ad_program_drop(body);
    return NULL;
}

static ad_scan *take_scan(reader *r)
{
    ad_scan like = {.n_steps = take_i64(r)};
    const unsigned flags = (unsigned)take_number(r, 1);
    uint32_t *const counts[] = {&like.n_shared, &like.n_carry, &like.n_rows,
                                &like.n_out_rows, &like.n_out_sums};
    like.is_reversed = (flags & IS_REVERSED) != 0;
    like.keeps_carry = (flags & KEEPS_CARRY) != 0;
    like.has_exit = (flags & HAS_EXIT) != 0;
    like.has_count = (flags & HAS_COUNT) != 0;
    for (int i = 0; i < 5; i++)
        *counts[i] = take_u32(r);
    if (flags & HAS_SNAPSHOTS)
        like.n_snapshots = take_i64(r);
    like.body = take_body(r);
    if (like.body == NULL)
        return NULL;
    ad_scan *scan = ad_scan_new(&like);
    ad_program_drop(like.body);
    if (scan == NULL)
        fail(r, AD_NO_MEMORY);
    return scan;
}

static ad_call *take_call(reader *r)
{
    ad_call like = {.n_active = take_u32(r)};
    if (take_number(r, 1) != 0) {
        like.adjoint = take_body(r);
        like.tangent = like.adjoint != NULL ? take_body(r) : NULL;
    }
    ad_call *call = r->status == AD_OK ? ad_call_new(&like) : NULL;
    ad_program_drop(like.adjoint);
    ad_program_drop(like.tangent);
    if (call == NULL)
        fail(r, AD_NO_MEMORY);
    return call;
}

static void take_extra(reader *r, ad_extra *e)
{
    const unsigned flags = (unsigned)take_number(r, 1);
    e->n_strides = (int)take_number(r, 1);
    e->attr.axis = (int32_t)take_u32(r);
    e->attr.offset = take_i64(r);
    e->attr.reverse = (flags & HAS_REVERSE) != 0;
    e->attr.trans_x = (flags & HAS_TRANS_X) != 0;
    e->attr.trans_y = (flags & HAS_TRANS_Y) != 0;
    e->attr.is_lenient = (flags & IS_LENIENT) != 0;
    if (e->n_strides > 0) {
        int64_t *strides = rows(r, (size_t)e->n_strides, sizeof *strides);
        for (int i = 0; i < e->n_strides && strides != NULL; i++)
            strides[i] = take_i64(r);
        e->attr.strides = strides;
    }
    if (flags & HAS_INDEX)
        e->attr.index = take_index(r);
    if (flags & HAS_VALUE)
        e->value = take_value(r);
    if (flags & HAS_SCAN)
        e->attr.scan = take_scan(r);
    if (flags & HAS_CALL)
        e->attr.call = take_call(r);
}

static void take_extras(reader *r, ad_program *p)
{
    const uint32_t n = take_count(r, "attributes", 14);
    p->extras = rows(r, n, sizeof *p->extras);
    for (uint32_t i = 0; i < n && r->status == AD_OK; i++)
        take_extra(r, &p->extras[p->n_extras++]);
}

static void take_instr(reader *r, uint32_t at, ad_instr *i)
{
    const uint32_t name = (uint32_t)take_number(r, 2);
    if (name >= r->n_names) {
        fail(r, AD_INVALID);
        return;
    }
    i->op = (uint16_t)r->op[name];
    const uint32_t n_args = take_u32(r);
    if (n_args > INT32_MAX)
        fail(r, AD_INVALID);
    i->n_args = r->status == AD_OK ? (int32_t)n_args : 0;
    for (int k = 0; k < (i->n_args > 3 ? 1 : i->n_args); k++)
        i->args[k] = take_u32(r);
    i->shape = take_u32(r);
    i->extra = take_u32(r);
    i->line = take_line(r);
    if (i->op == AD_OP_INPUT)
        i->args[0] = at;
    if (i->op == AD_OP_CONST && i->shape == 0)
        i->number = take_double(r);
}

static void take_u32s(reader *r, const char *what, uint32_t **to, uint32_t *n)
{
    *n = take_count(r, what, 4);
    *to = rows(r, *n, sizeof **to);
    for (uint32_t i = 0; i < *n && *to != NULL; i++)
        (*to)[i] = take_u32(r);
}

static void take_guards(reader *r, ad_program *p)
{
    p->n_guards = take_count(r, "guards", 16);
    p->guards = rows(r, p->n_guards, sizeof *p->guards);
    for (uint32_t k = 0; k < p->n_guards && r->status == AD_OK; k++) {
        p->guards[k].value = take_u32(r);
        p->guards[k].line = take_line(r);
        p->guards[k].outcome = take_double(r);
    }
}

static void take_program(reader *r, ad_program *p)
{
    take_names(r);
    take_lines(r);
    take_shapes(r, p);
    take_extras(r, p);
    take_u32s(r, "operands", &p->operands, &p->n_operands);
    p->n_inputs = take_u32(r);
    p->n = take_count(r, "instructions", 18);
    p->instr = rows(r, p->n, sizeof *p->instr);
    for (uint32_t i = 0; i < p->n && r->status == AD_OK; i++)
        take_instr(r, i, &p->instr[i]);
    take_u32s(r, "outputs", &p->outputs, &p->n_outputs);
    take_guards(r, p);
}

/* The frame around a program: magic, version, checksum. */
static ad_status open_frame(const uint8_t *data, size_t n, reader *r,
                            ad_message *message)
{
    const size_t head = MAGIC_BYTES + 4;
    if (n < head + CHECKSUM_BYTES || memcmp(data, MAGIC, MAGIC_BYTES) != 0)
        return ad_fail(message, AD_INVALID,
                       "these bytes are not a saved program, or were cut off");
    *r = (reader){.at = data + MAGIC_BYTES, .left = n - MAGIC_BYTES, .what = "names"};
    const uint32_t version = take_u32(r);
    if (version != VERSION)
        return ad_fail(
            message, AD_INVALID,
            "the program was saved in format %u, and this version of "
            "autodiff reads format %d; save it again, or take another version",
            (unsigned)version, VERSION);
    reader end = {.at = data + n - CHECKSUM_BYTES, .left = CHECKSUM_BYTES};
    if (take_number(&end, CHECKSUM_BYTES) != checksum(data, n - CHECKSUM_BYTES))
        return ad_fail(
            message, AD_INVALID,
            "the saved program was changed or cut off: its checksum is wrong");
    r->left -= CHECKSUM_BYTES;
    return AD_OK;
}

ad_status ad_program_read(const uint8_t *data, size_t n, const ad_line_texts *lines,
                          ad_program **p, ad_message *message)
{
    reader r;
    ad_status status = open_frame(data, n, &r, message);
    if (status != AD_OK)
        return status;
    ad_program *made = calloc(1, sizeof *made);
    if (made == NULL)
        return AD_NO_MEMORY;
    made->refs = 1;
    r.texts = lines;
    take_program(&r, made);
    if (r.status == AD_OK && r.left > 0) {
        r.what = "bytes after the end";
        fail(&r, AD_INVALID);
    }
    free(r.op);
    free(r.line);
    status = r.status;
    if (status == AD_INVALID && r.unknown != NULL)
        ad_fail(message, status,
                "the saved program uses the operation '%.*s', which this version of "
                "autodiff does not have",
                r.n_unknown, r.unknown);
    else if (status == AD_INVALID)
        ad_fail(message, status,
                "not a program: among the %s is one that makes no sense", r.what);
    if (status == AD_OK)
        status = ad_program_verify(made, message);
    if (status != AD_OK) {
        ad_program_drop(made);
        return status;
    }
    *p = made;
    return AD_OK;
}
