/*
 * builder.c - see builder.h. What is simplified stands in simplify.c, what is shared
 * is found by a hash of the whole instruction.
 *
 * size: all that writes to a program under construction is here; what only looks at
 * one is in builder_mask.c.
 */
#include "builder.h"

#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "call.h"
#include "infer.h"
#include "scan.h"
#include "simplify.h"

enum { FIRST_CAP = 64, LOOK_BACK = 32 };

/* ---- Life ------------------------------------------------------------------------ */

static ad_status redirected(ad_tape *tape, int op, int n_args, const ad_value *args,
                            const ad_attr *attr, ad_value *out);

ad_builder *ad_builder_of(const ad_tape *tape)
{
    return tape->redirect == redirected ? tape->builder : NULL;
}

ad_builder *ad_builder_new(bool is_tracing)
{
    ad_builder *b = calloc(1, sizeof *b);
    ad_program *p = calloc(1, sizeof *p);
    ad_tape *tape = ad_tape_new();
    ad_array **shapes = calloc(FIRST_CAP, sizeof *shapes);
    if (b == NULL || p == NULL || tape == NULL || shapes == NULL) {
        free(b);
        free(p);
        free(shapes);
        if (tape != NULL)
            ad_tape_abandon(tape);
        return NULL;
    }
    p->refs = 1;
    p->shapes = shapes; /* [0] stays NULL */
    p->n_shapes = 1;
    b->cap_shapes = FIRST_CAP;
    b->tape = tape;
    b->program = p;
    b->is_tracing = is_tracing;
    tape->is_plain = false;
    tape->redirect = redirected;
    tape->builder = b;
    return b;
}

static ad_status escaped(ad_tape *tape, int op, int n_args, const ad_value *args,
                         const ad_attr *attr, ad_value *out)
{
    (void)op, (void)n_args, (void)args, (void)attr, (void)out;
    return ad_fail(&tape->message, AD_ESCAPED, "%s", ad_status_text(AD_ESCAPED));
}

void ad_builder_free(ad_builder *b)
{
    if (b == NULL)
        return;
    b->tape->redirect = escaped;
    b->tape->builder = NULL;
    ad_tape_abandon(b->tape);
    ad_program_drop(b->program);
    free(b->table);
    free(b);
}

/* ---- Growing ------------------------------------------------------------------------ */

/* Room for `more` behind n elements. */
static void *grown(void *at, uint32_t n, uint32_t more, uint32_t *cap, size_t bytes)
{
    uint64_t wanted = (uint64_t)n + more;
    if (wanted <= *cap)
        return at;
    uint64_t next = (uint64_t)*cap + *cap / 2 + FIRST_CAP;
    next = next < wanted ? wanted : next;
    if (next >= AD_MAX_ENTRIES)
        return NULL;
    void *grown_at = realloc(at, (size_t)next * bytes);
    if (grown_at != NULL)
        *cap = (uint32_t)next;
    return grown_at;
}

#define GROW(b, field, count, more, cap)                                        \
    do {                                                                        \
        void *at_ = grown((b)->program->field, (b)->program->count, more,       \
                          &(b)->cap, sizeof *(b)->program->field);              \
        if (at_ == NULL && (more) > 0)                                          \
            return AD_NO_MEMORY;                                                \
        (b)->program->field = at_;                                              \
    } while (0)

/* Index of a shape, which is shared with one that was seen lately. */
static ad_status find_shape(ad_builder *b, const ad_array *shape, uint32_t *index)
{
    ad_program *p = b->program;
    *index = 0;
    if (shape == NULL || shape->ndim == 0)
        return AD_OK;
    uint32_t first = p->n_shapes > LOOK_BACK ? p->n_shapes - LOOK_BACK : 1;
    for (uint32_t i = p->n_shapes; i-- > first;)
        if (ad_array_same_shape(p->shapes[i], shape)) {
            *index = i;
            return AD_OK;
        }
    GROW(b, shapes, n_shapes, 1, cap_shapes);
    ad_array *ghost = ad_array_ghost(shape->ndim, shape->shape);
    if (ghost == NULL)
        return AD_NO_MEMORY;
    *index = p->n_shapes;
    p->shapes[p->n_shapes++] = ghost;
    return AD_OK;
}

static ad_status push(ad_builder *b, const ad_instr *instr, uint32_t *value)
{
    GROW(b, instr, n, 1, cap_instr);
    *value = b->program->n;
    b->program->instr[b->program->n++] = *instr;
    return AD_OK;
}

static ad_status push_extra(ad_builder *b, const ad_extra *extra, uint32_t *index)
{
    GROW(b, extras, n_extras, 1, cap_extras);
    *index = b->program->n_extras;
    b->program->extras[b->program->n_extras++] = *extra;
    return AD_OK;
}

ad_status ad_builder_input(ad_builder *b, const ad_array *shape, uint32_t *value)
{
    ad_instr instr = {.op = AD_OP_INPUT, .extra = AD_NONE};
    instr.args[0] = b->program->n_inputs;
    ad_status status = find_shape(b, shape, &instr.shape);
    if (status == AD_OK)
        status = push(b, &instr, value);
    if (status == AD_OK)
        b->program->n_inputs++;
    return status;
}

ad_status ad_builder_guard(ad_builder *b, uint32_t value, double outcome, uint32_t line)
{
    GROW(b, guards, n_guards, 1, cap_guards);
    b->program->guards[b->program->n_guards++] = (ad_guard){value, line, outcome};
    return AD_OK;
}

/* ---- Sharing ------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9E3779B97F4A7C15ull;
    return h ^ h >> 29;
}

static uint64_t bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* Of some elements of a constant: as many as are soon looked at. */
static uint64_t hash_elements(const ad_array *a)
{
    uint64_t h = (uint64_t)a->size;
    const int64_t step = a->size / LOOK_BACK + 1;
    for (int64_t i = 0; i < a->size; i += step)
        h = mix(h, bits_of(a->data[i]));
    return h;
}

static uint64_t hash_instr(const ad_program *p, const ad_instr *i)
{
    uint64_t h = mix(i->op, i->shape);
    const uint32_t *args = ad_instr_args(p, i);
    for (int k = 0; k < i->n_args; k++)
        h = mix(h, args[k]);
    h = mix(h, bits_of(i->number));
    if (i->extra != AD_NONE) {
        const ad_extra *e = &p->extras[i->extra];
        h = mix(h, (uint64_t)e->attr.offset);
        for (int k = 0; k < e->n_strides; k++)
            h = mix(h, (uint64_t)e->attr.strides[k]);
        h = mix(h, (uint64_t)(uintptr_t)e->attr.index);
        h = mix(h, e->value != NULL ? hash_elements(e->value) : 0);
    }
    return h;
}

static bool same_elements(const ad_array *a, const ad_array *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a->data == b->data ||
           (a->size == b->size && a->size > 0 &&
            memcmp(a->data, b->data, (size_t)a->size * sizeof *a->data) == 0);
}

static bool same_extra(const ad_extra *x, const ad_extra *y)
{
    const ad_attr *a = &x->attr, *b = &y->attr;
    return x->n_strides == y->n_strides && a->offset == b->offset &&
           a->index == b->index && a->aux == b->aux && a->axis == b->axis &&
           a->object == b->object && a->scan == b->scan && a->call == b->call &&
           a->reverse == b->reverse && a->trans_x == b->trans_x &&
           a->trans_y == b->trans_y && a->is_lenient == b->is_lenient &&
           same_elements(x->value, y->value) &&
           (x->n_strides == 0 ||
            memcmp(a->strides, b->strides, (size_t)x->n_strides * sizeof *a->strides) ==
                0);
}

static bool same_instr(const ad_program *p, const ad_instr *x, const ad_instr *y)
{
    if (x->op != y->op || x->n_args != y->n_args || x->shape != y->shape ||
        bits_of(x->number) != bits_of(y->number) ||
        (x->extra == AD_NONE) != (y->extra == AD_NONE))
        return false;
    if (memcmp(ad_instr_args(p, x), ad_instr_args(p, y),
               (size_t)x->n_args * sizeof(uint32_t)) != 0)
        return false;
    return x->extra == AD_NONE ||
           same_extra(&p->extras[x->extra], &p->extras[y->extra]);
}

/*
 * The table has two halves. An instruction is looked for in a few places of the first that
 * lie beside those of instructions on like operands, most of which are still in a cache;
 * when these are all taken, in the second, from a place on that depends on everything in
 * it. Nothing ever leaves the table, so the first free place ends a search.
 *
 *     +--------------------------------+--------------------------------+
 *     | by the highest operand         | by hash, if the former is full |   a place:
 *     +--------------------------------+--------------------------------+   hash, value
 */
enum { NEAR = 8 };

static uint64_t near_place(const ad_program *p, const ad_instr *i)
{
    const uint32_t *args = ad_instr_args(p, i);
    uint32_t highest = 0;
    for (int k = 0; k < i->n_args; k++)
        highest = args[k] > highest ? args[k] : highest;
    const int64_t element = i->extra != AD_NONE ? p->extras[i->extra].attr.offset : 0;
    return 2 * ((uint64_t)highest + (uint64_t)element);
}

static bool fits(const ad_program *p, const ad_place *place, uint32_t hash,
                 const ad_instr *i)
{
    return place->value == AD_NONE ||
           (place->hash == hash && same_instr(p, &p->instr[place->value], i));
}

/* The place of an instruction equal to i, or a free one for it. */
static ad_place *find_place(const ad_builder *b, const ad_instr *i, uint64_t hash)
{
    const ad_program *p = b->program;
    const uint64_t half = b->cap_table / 2, first = near_place(p, i);
    for (uint64_t h = first; h < first + NEAR && i->n_args > 0; h++) {
        ad_place *found = &b->table[h & (half - 1)];
        if (fits(p, found, (uint32_t)hash, i))
            return found;
    }
    for (uint64_t h = hash;; h++) {
        ad_place *found = &b->table[half + (h & (half - 1))];
        if (fits(p, found, (uint32_t)hash, i))
            return found;
    }
}

/* At most a quarter is taken, so that either half has free places. */
static ad_status grow_table(ad_builder *b)
{
    if (b->n_table * 4 < b->cap_table)
        return AD_OK;
    const uint32_t before = b->cap_table, cap = before > 0 ? before * 4 : 8 * FIRST_CAP;
    ad_place *from = b->table, *table = malloc((size_t)cap * sizeof *table);
    if (table == NULL)
        return AD_NO_MEMORY;
    memset(table, 0xff, (size_t)cap * sizeof *table);
    b->table = table;
    b->cap_table = cap;
    for (uint32_t k = 0; k < before; k++) {
        if (from[k].value == AD_NONE)
            continue;
        const ad_instr *i = &b->program->instr[from[k].value];
        *find_place(b, i, hash_instr(b->program, i)) = from[k];
    }
    free(from);
    return AD_OK;
}

/* The instruction just pushed, or an equal one before it, in whose favour it goes. */
static ad_status share(ad_builder *b, uint32_t *value)
{
    ad_program *p = b->program;
    ad_status status = grow_table(b);
    if (status != AD_OK)
        return status;
    const uint64_t hash = hash_instr(p, &p->instr[*value]);
    ad_place *found = find_place(b, &p->instr[*value], hash);
    if (found->value == AD_NONE) {
        *found = (ad_place){(uint32_t)hash, *value};
        b->n_table++;
    } else {
        p->n--; /* an extra or operands of it may stay: ad_builder_finish */
        *value = found->value;
    }
    return AD_OK;
}

/* ---- Values ---------------------------------------------------------------------------- */

/* The user may change what a constant was made from; the program keeps what it was. */
static ad_status own_elements(ad_extra *extra)
{
    ad_array *copy = ad_array_copy(extra->value);
    if (copy == NULL)
        return AD_NO_MEMORY;
    ad_array_drop(extra->value);
    extra->value = copy;
    return AD_OK;
}

ad_status ad_builder_constant(ad_builder *b, const ad_value *v, uint32_t *value)
{
    ad_instr instr = {.op = AD_OP_CONST, .extra = AD_NONE, .number = v->scalar};
    ad_status status = find_shape(b, v->array, &instr.shape);
    if (status == AD_OK && v->array != NULL) {
        ad_extra extra = {.value = v->array};
        instr.number = 0.0;
        if ((status = push_extra(b, &extra, &instr.extra)) == AD_OK)
            ad_array_keep(v->array);
    }
    if (status == AD_OK)
        status = push(b, &instr, value);
    if (status != AD_OK)
        return status;
    const uint32_t pushed = *value;
    status = share(b, value);
    if (status == AD_OK && v->array != NULL && *value != pushed)
        ad_array_drop(b->program->extras[--b->program->n_extras].value);
    else if (status == AD_OK && v->array != NULL && b->is_tracing)
        status = own_elements(&b->program->extras[instr.extra]);
    return status;
}

ad_value ad_builder_value(const ad_builder *b, uint32_t i)
{
    const ad_program *p = b->program;
    const ad_instr *instr = &p->instr[i];
    ad_value v = {instr->number, ad_program_shape(p, i), i};
    if (instr->op == AD_OP_CONST) {
        v.entry = AD_NONE;
        v.array = v.array != NULL ? p->extras[instr->extra].value : NULL;
    }
    if (v.array != NULL)
        ad_array_keep(v.array);
    return v;
}

void ad_values_drop(int64_t n, ad_value *values)
{
    for (int64_t i = 0; i < n; i++)
        ad_value_drop(&values[i]);
}

/* ---- Appending ---------------------------------------------------------------------------- */

static int count_strides(int op, const ad_value *args, const ad_array *shape)
{
    const ad_array *walked = op == AD_OP_STRIDED ? shape : args[0].array;
    return walked != NULL ? walked->ndim : 0;
}

/* An owned copy of the attributes. */
static ad_status copy_attr(ad_builder *b, int op, const ad_value *args,
                           const ad_attr *attr, const ad_array *shape, uint32_t *index)
{
    ad_extra extra = {.attr = *attr};
    extra.attr.shape = NULL;
    extra.attr.strides = NULL;
    if (attr->strides != NULL)
        extra.n_strides = count_strides(op, args, shape);
    if (extra.n_strides > 0) {
        size_t bytes = (size_t)extra.n_strides * sizeof *attr->strides;
        int64_t *strides = malloc(bytes);
        if (strides == NULL)
            return AD_NO_MEMORY;
        memcpy(strides, attr->strides, bytes);
        extra.attr.strides = strides;
    }
    ad_status status = push_extra(b, &extra, index);
    if (status != AD_OK) {
        free((void *)extra.attr.strides);
        return status;
    }
    if (attr->index != NULL)
        attr->index->refs++;
    if (attr->aux != NULL)
        ad_array_keep(attr->aux);
    if (attr->scan != NULL)
        ad_scan_keep(attr->scan);
    if (attr->call != NULL)
        ad_call_keep(attr->call);
    return AD_OK;
}

static ad_status push_args(ad_builder *b, int n_args, const ad_value *args,
                           ad_instr *instr)
{
    uint32_t *to = instr->args;
    if (n_args > 3) {
        GROW(b, operands, n_operands, (uint32_t)n_args, cap_operands);
        instr->args[0] = b->program->n_operands;
        to = b->program->operands + b->program->n_operands;
        b->program->n_operands += (uint32_t)n_args;
    }
    for (int k = 0; k < n_args; k++) {
        to[k] = args[k].entry;
        if (to[k] != AD_NONE)
            continue;
        ad_status status = ad_builder_constant(b, &args[k], &to[k]);
        if (status != AD_OK)
            return status;
    }
    return AD_OK;
}

/* Append op(args) with a result of `shape`. */
static ad_status append(ad_builder *b, int op, int n_args, const ad_value *args,
                        const ad_attr *attr, const ad_array *shape, uint32_t *value)
{
    ad_instr instr = {.op = (uint16_t)op, .n_args = n_args, .extra = AD_NONE};
    instr.line = b->line;
    if (instr.line == 0 && b->tape->wants_lines && b->tape->line_id != NULL)
        instr.line = b->tape->line_id();
    ad_status status = find_shape(b, shape, &instr.shape);
    if (status == AD_OK)
        status = push_args(b, n_args, args, &instr);
    if (status == AD_OK && attr != NULL && ad_op_get(op)->n_args == 0)
        status = copy_attr(b, op, args, attr, shape, &instr.extra);
    if (status == AD_OK)
        status = push(b, &instr, value);
    return status == AD_OK && !b->is_tracing ? share(b, value) : status;
}

/* Compute and append; what is computed while nothing is to be recorded has no
 * derivative. */
static ad_status trace(ad_builder *b, int op, int n_args, const ad_value *args,
                       const ad_attr *attr, ad_value *out)
{
    ad_status status = ad_apply_value(b->tape, op, n_args, args, attr, out);
    if (status != AD_OK)
        return status;
    status = append(b, op, n_args, args, attr, out->array, &out->entry);
    if (status == AD_OK && !b->tape->is_recording)
        status = append(b, AD_OP_STOP, 1, out, NULL, out->array, &out->entry);
    if (status != AD_OK)
        ad_value_drop(out);
    return status;
}

/* The loop with the carry of each step behind its result: readers find what they read
 * where it was. */
static ad_status append_keeping(ad_tape *tape, int n_args, const ad_value *args,
                                const ad_attr *attr, ad_value *out)
{
    ad_scan spec = *attr->scan;
    spec.keeps_carry = true;
    ad_attr keeping = *attr;
    keeping.scan = ad_scan_new(&spec);
    if (keeping.scan == NULL)
        return AD_NO_MEMORY;
    ad_status status = ad_apply(tape, AD_OP_SCAN, n_args, args, &keeping, out);
    ad_scan_drop(keeping.scan);
    return status;
}

static ad_status redirected(ad_tape *tape, int op, int n_args, const ad_value *args,
                            const ad_attr *attr, ad_value *out)
{
    ad_builder *b = tape->builder;
    bool is_passive = true;
    for (int k = 0; k < n_args; k++)
        is_passive &= args[k].entry == AD_NONE;
    if (is_passive && (op != AD_OP_SCAN || tape->scan != NULL))
        return ad_apply_value(tape, op, n_args, args, attr, out);
    if (b->is_tracing)
        return trace(b, op, n_args, args, attr, out);
    if (op == AD_OP_CALL && b->drops_calls && args[0].entry != AD_NONE) {
        *out = ad_builder_value(b, args[0].entry);
        return AD_OK;
    }
    if (op == AD_OP_SCAN && b->keeps_carry && !attr->scan->keeps_carry)
        return append_keeping(tape, n_args, args, attr, out);
    if (ad_simplify(tape, op, n_args, args, attr, out))
        return AD_OK;
    ad_array *shape;
    uint32_t value = AD_NONE;
    ad_status status = ad_infer_shape(&tape->message, op, n_args, args, attr, &shape);
    if (status == AD_OK) {
        status = append(b, op, n_args, args, attr, shape, &value);
        ad_array_drop(shape);
    }
    if (status == AD_OK)
        *out = ad_builder_value(b, value);
    return status;
}

ad_status ad_builder_guards(ad_builder *b, const ad_program *p, const ad_value *values)
{
    ad_status status = AD_OK;
    for (uint32_t k = 0; k < p->n_guards && status == AD_OK; k++) {
        const ad_guard *g = &p->guards[k];
        uint32_t value = values[g->value].entry;
        if (value == AD_NONE) /* guard k of p stays guard k */
            status = ad_builder_constant(b, &values[g->value], &value);
        if (status == AD_OK)
            status = ad_builder_guard(b, value, g->outcome, g->line);
    }
    return status;
}

ad_status ad_builder_inline(ad_builder *b, const ad_program *p, const ad_value *inputs,
                            ad_value *values)
{
    const ad_status status = ad_program_replay(b->tape, p, inputs, values);
    return status == AD_OK ? ad_builder_guards(b, p, values) : status;
}
