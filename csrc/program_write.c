/*
 * program_write.c - ad_program_write of program_file.h.
 */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "program_file.h"
#include "program_layout.h"
#include "scan.h"

static void put(ad_bytes *b, const void *data, size_t n)
{
    if (n > b->cap - b->n) {
        const size_t cap = (b->n + n) + (b->n + n) / 2;
        uint8_t *grown = realloc(b->data, cap);
        b->has_failed |= grown == NULL;
        if (grown == NULL)
            return;
        b->data = grown;
        b->cap = cap;
    }
    if (n > 0)
        memcpy(b->data + b->n, data, n);
    b->n += n;
}

static void put_number(ad_bytes *b, uint64_t number, int n_bytes)
{
    uint8_t data[8];
    for (int i = 0; i < n_bytes; i++)
        data[i] = (uint8_t)(number >> 8 * i);
    put(b, data, (size_t)n_bytes);
}

static void put_u32(ad_bytes *b, uint32_t number)
{
    put_number(b, number, 4);
}

static void put_i64(ad_bytes *b, int64_t number)
{
    put_number(b, (uint64_t)number, 8);
}

static void put_double(ad_bytes *b, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    put_number(b, bits, 8);
}

static void put_shape(ad_bytes *b, const ad_array *shape)
{
    put_number(b, (uint64_t)shape->ndim, 1);
    for (int i = 0; i < shape->ndim; i++)
        put_i64(b, shape->shape[i]);
}

/* What the tables of names and lines hold, by opcode and by the upper layer's id. */
typedef struct numbering {
    uint16_t *name; /* of each opcode; 0xffff: does not occur */
    uint32_t *lines; /* distinct ids, sorted */
    uint32_t n_lines;
} numbering;

static int compare_ids(const void *x, const void *y)
{
    const uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

static uint32_t line_number(const numbering *t, uint32_t line)
{
    if (line == 0)
        return 0;
    const uint32_t *found =
        bsearch(&line, t->lines, t->n_lines, sizeof line, compare_ids);
    return found != NULL ? (uint32_t)(found - t->lines) + 1 : 0;
}

static void add_line(numbering *t, uint32_t line)
{
    if (line != 0 && (t->n_lines == 0 || t->lines[t->n_lines - 1] != line))
        t->lines[t->n_lines++] = line;
}

static void collect_lines(const ad_program *p, numbering *t)
{
    for (uint32_t i = 0; i < p->n; i++)
        add_line(t, p->instr[i].line);
    for (uint32_t k = 0; k < p->n_guards; k++)
        add_line(t, p->guards[k].line);
    const uint32_t n = t->n_lines;
    if (n > 0)
        qsort(t->lines, n, sizeof t->lines[0], compare_ids);
    t->n_lines = 0;
    for (uint32_t i = 0; i < n; i++)
        add_line(t, t->lines[i]);
}

static void put_lines(ad_bytes *b, const numbering *t, const ad_line_texts *texts)
{
    put_u32(b, t->n_lines);
    for (uint32_t i = 0; i < t->n_lines; i++) {
        size_t n = 0;
        const char *text = texts->text(texts->context, t->lines[i], &n);
        n = text == NULL ? 0 : n < UINT16_MAX ? n : UINT16_MAX;
        put_number(b, n, 2);
        put(b, text, n);
    }
}

static void put_names(ad_bytes *b, const ad_program *p, numbering *t)
{
    uint32_t n_names = 0;
    const size_t at = b->n;
    memset(t->name, 0xff, (size_t)ad_op_count() * sizeof t->name[0]);
    put_u32(b, 0);
    for (uint32_t i = 0; i < p->n; i++) {
        const int op = p->instr[i].op;
        if (t->name[op] != UINT16_MAX)
            continue;
        t->name[op] = (uint16_t)n_names++;
        const size_t n = strlen(ad_op_name(op));
        put_number(b, n, 1);
        put(b, ad_op_name(op), n);
    }
    for (int i = 0; i < 4 && !b->has_failed; i++)
        b->data[at + (size_t)i] = (uint8_t)(n_names >> 8 * i);
}

static void put_program(ad_bytes *b, const ad_program *p, const ad_line_texts *texts);

static void put_scan(ad_bytes *b, const ad_scan *s, const ad_line_texts *texts)
{
    const uint32_t counts[] = {s->n_shared, s->n_carry, s->n_rows, s->n_out_rows,
                               s->n_out_sums};
    put_i64(b, s->n_steps);
    put_number(b,
               (uint64_t)(s->is_reversed * IS_REVERSED | s->keeps_carry * KEEPS_CARRY |
                          s->has_exit * HAS_EXIT | s->has_count * HAS_COUNT |
                          (s->n_snapshots > 0) * HAS_SNAPSHOTS),
               1);
    for (int i = 0; i < 5; i++)
        put_u32(b, counts[i]);
    if (s->n_snapshots > 0)
        put_i64(b, s->n_snapshots);
    put_program(b, s->body, texts);
}

static void put_call(ad_bytes *b, const ad_call *call, const ad_line_texts *texts)
{
    put_u32(b, call->n_active);
    put_number(b, call->adjoint != NULL, 1);
    if (call->adjoint == NULL)
        return;
    put_program(b, call->adjoint, texts);
    put_program(b, call->tangent, texts);
}

static void put_extra(ad_bytes *b, const ad_extra *e, const ad_line_texts *texts)
{
    const ad_attr *a = &e->attr;
    put_number(b,
               (uint64_t)(a->reverse * HAS_REVERSE | a->trans_x * HAS_TRANS_X |
                          a->trans_y * HAS_TRANS_Y | (a->index != NULL) * HAS_INDEX |
                          (e->value != NULL) * HAS_VALUE |
                          (a->scan != NULL) * HAS_SCAN | (a->call != NULL) * HAS_CALL |
                          a->is_lenient * IS_LENIENT),
               1);
    put_number(b, (uint64_t)e->n_strides, 1);
    put_u32(b, (uint32_t)a->axis);
    put_i64(b, a->offset);
    for (int i = 0; i < e->n_strides; i++)
        put_i64(b, a->strides[i]);
    if (a->index != NULL) {
        put_i64(b, a->index->size);
        for (int64_t k = 0; k < a->index->size; k++)
            put_i64(b, a->index->at[k]);
    }
    if (e->value != NULL) {
        put_shape(b, e->value);
        for (int64_t k = 0; k < e->value->size; k++)
            put_double(b, e->value->data[k]);
    }
    if (a->scan != NULL)
        put_scan(b, a->scan, texts);
    if (a->call != NULL)
        put_call(b, a->call, texts);
}

static void put_instr(ad_bytes *b, const ad_instr *i, const numbering *t)
{
    put_number(b, t->name[i->op], 2);
    put_u32(b, (uint32_t)i->n_args);
    for (int k = 0; k < (i->n_args > 3 ? 1 : i->n_args); k++)
        put_u32(b, i->args[k]);
    put_u32(b, i->shape);
    put_u32(b, i->extra);
    put_u32(b, line_number(t, i->line));
    if (i->op == AD_OP_CONST && i->shape == 0)
        put_double(b, i->number);
}

static void put_tables(ad_bytes *b, const ad_program *p, numbering *t,
                       const ad_line_texts *texts)
{
    put_names(b, p, t);
    put_lines(b, t, texts);
    put_u32(b, p->n_shapes - 1);
    for (uint32_t i = 1; i < p->n_shapes; i++)
        put_shape(b, p->shapes[i]);
    put_u32(b, p->n_extras);
    for (uint32_t i = 0; i < p->n_extras; i++)
        put_extra(b, &p->extras[i], texts);
    put_u32(b, p->n_operands);
    for (uint32_t i = 0; i < p->n_operands; i++)
        put_u32(b, p->operands[i]);
    put_u32(b, p->n_inputs);
    put_u32(b, p->n);
    for (uint32_t i = 0; i < p->n; i++)
        put_instr(b, &p->instr[i], t);
    put_u32(b, p->n_outputs);
    for (uint32_t i = 0; i < p->n_outputs; i++)
        put_u32(b, p->outputs[i]);
    put_u32(b, p->n_guards);
    for (uint32_t i = 0; i < p->n_guards; i++) {
        put_u32(b, p->guards[i].value);
        put_u32(b, line_number(t, p->guards[i].line));
        put_double(b, p->guards[i].outcome);
    }
}

static void put_program(ad_bytes *b, const ad_program *p, const ad_line_texts *texts)
{
    numbering t = {
        .name = malloc((size_t)ad_op_count() * sizeof *t.name),
        .lines = malloc(((size_t)p->n + p->n_guards + 1) * sizeof *t.lines),
    };
    if (t.name != NULL && t.lines != NULL) {
        collect_lines(p, &t);
        put_tables(b, p, &t, texts);
    } else
        b->has_failed = true;
    free(t.name);
    free(t.lines);
}

ad_status ad_program_write(const ad_program *p, const ad_line_texts *lines,
                           ad_bytes *bytes)
{
    const size_t start = bytes->n;
    put(bytes, MAGIC, MAGIC_BYTES);
    put_u32(bytes, VERSION);
    put_program(bytes, p, lines);
    if (!bytes->has_failed)
        put_number(bytes, checksum(bytes->data + start, bytes->n - start),
                   CHECKSUM_BYTES);
    return bytes->has_failed ? AD_NO_MEMORY : AD_OK;
}
