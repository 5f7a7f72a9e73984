/*
 * program_verify.c - ad_program_verify of program.h: is this a program?
 *
 * What is given may come from a file that anybody wrote: its pointers are good and its
 * arrays as long as their counts say, but every number in it may be anything. After
 * this nothing checks again, so it also bounds what later code multiplies: extents,
 * strides and the elements of all values together stay below MAX_ELEMENTS, so that no
 * offset, and no workspace of 4096 lanes, leaves 64 bits.
 *
 * Each structural row has its rule here, found by the row's name: a new row does not
 * compile without one.
 */
#include <stdlib.h>

#include "call.h"
#include "infer.h"
#include "program.h"
#include "scan.h"

/* Elements of all values together; 512 TiB. */
static const int64_t MAX_ELEMENTS = (int64_t)1 << 46;

enum { MAX_DEPTH = 32 };

/* An instruction under test. */
typedef struct check {
    const ad_program *p;
    const ad_instr *instr;
    const uint32_t *args;
    const ad_extra *extra; /* zeros where it has none */
    const ad_array *shape; /* of the result; NULL: a scalar */
    uint32_t at;
    int depth; /* of loops around it */
    ad_message *message;
} check;

static ad_status wrong(const check *c, const char *what)
{
    return ad_fail(c->message, AD_INVALID, "not a program: instruction %u, %s: %s",
                   (unsigned)c->at, ad_op_name(c->instr->op), what);
}

static ad_status wrong_part(ad_message *message, const char *part, uint32_t k,
                            const char *what)
{
    return ad_fail(message, AD_INVALID, "not a program: %s %u: %s", part, (unsigned)k,
                   what);
}

static const ad_array *operand(const check *c, int k)
{
    return ad_program_shape(c->p, c->args[k]);
}

static int64_t size_of(const ad_array *shape)
{
    return shape != NULL ? shape->size : 1;
}

static int ndim_of(const ad_array *shape)
{
    return shape != NULL ? shape->ndim : 0;
}

/* ---- Rules of structural rows ----------------------------------------------------- */

/* Do all positions offset + i . strides, i in `walked`, lie in 0 .. n - 1? */
static ad_status strides_fit(const check *c, const ad_array *walked, int64_t n)
{
    const ad_extra *e = c->extra;
    if (e->n_strides != ndim_of(walked))
        return wrong(c, "one stride is needed for each axis");
    const bool is_empty = size_of(walked) == 0;
    if (e->attr.offset < 0 || e->attr.offset > n || (e->attr.offset == n && !is_empty))
        return wrong(c, "the offset lies outside");
    int64_t least = e->attr.offset, most = e->attr.offset;
    for (int i = 0; i < e->n_strides; i++) {
        const int64_t stride = e->attr.strides[i], extent = walked->shape[i];
        const int64_t most_steps = MAX_ELEMENTS / (extent > 1 ? extent : 1);
        if (stride > most_steps || stride < -most_steps)
            return wrong(c, "a stride leads outside");
        if (stride < 0)
            least += stride * (extent - 1);
        else
            most += stride * (extent - 1);
    }
    if (!is_empty && (least < 0 || most >= n))
        return wrong(c, "a stride leads outside");
    return AD_OK;
}

/* n positions, each below `end`; those below 0 are allowed if they mean a zero. */
static ad_status index_fits(const check *c, int64_t n, int64_t end, bool allows_none)
{
    const ad_index *index = c->extra->attr.index;
    if (index == NULL || index->size != n)
        return wrong(c, "one position is needed for each element");
    for (int64_t k = 0; k < n; k++)
        if (index->at[k] >= end || (index->at[k] < 0 && !allows_none))
            return wrong(c, "a position lies outside");
    return AD_OK;
}

static ad_status check_RESHAPE(const check *c)
{
    return size_of(c->shape) == size_of(operand(c, 0))
               ? AD_OK
               : wrong(c, "the operand has another number of elements");
}

static ad_status check_STRIDED(const check *c)
{
    return strides_fit(c, c->shape, size_of(operand(c, 0)));
}

static ad_status check_STRIDED_ADD(const check *c)
{
    return strides_fit(c, operand(c, 0), size_of(c->shape));
}

static ad_status check_GATHER(const check *c)
{
    return index_fits(c, size_of(c->shape), size_of(operand(c, 0)), true);
}

static ad_status check_GATHER_ADD(const check *c)
{
    return index_fits(c, size_of(operand(c, 0)), size_of(c->shape), true);
}

static ad_status check_PUT(const check *c)
{
    const ad_index *index = c->extra->attr.index;
    const int64_t n = size_of(operand(c, 1));
    if (index == NULL || (n != 1 && n != index->size))
        return wrong(c,
                     "one position is needed for each element of the second operand");
    return index_fits(c, index->size, size_of(operand(c, 0)), false);
}

static ad_status check_CUMSUM(const check *c)
{
    const int axis = c->extra->attr.axis;
    return axis >= 0 && axis < ndim_of(c->shape) ? AD_OK
                                                 : wrong(c, "there is no such axis");
}

static ad_status check_REDUCE_MAX(const check *c)
{
    return strides_fit(c, operand(c, 0), size_of(c->shape));
}

static ad_status check_INPUT(const check *c)
{
    return c->at < c->p->n_inputs && c->instr->args[0] == c->at
               ? AD_OK
               : wrong(c, "input k must be instruction k");
}

static ad_status check_CONST(const check *c)
{
    const ad_array *value = c->extra->value;
    if (c->shape == NULL)
        return value == NULL ? AD_OK : wrong(c, "a number has elements");
    return value != NULL && value->data != NULL && ad_array_same_shape(value, c->shape)
               ? AD_OK
               : wrong(c, "elements of another shape, or none");
}

/* The sum of the extents stays in range; the rest is for ad_infer_shape. */
static ad_status check_CAT(const check *c)
{
    const int axis = c->extra->attr.axis;
    int64_t total = 0;
    for (int k = 0; k < c->instr->n_args; k++) {
        const ad_array *x = operand(c, k);
        if (axis < 0 || axis >= ndim_of(x))
            return wrong(c, "there is no such axis");
        total += x->shape[axis];
        if (total > MAX_ELEMENTS)
            return wrong(c, "its shape is not what its operands make");
    }
    return AD_OK;
}

static ad_status check_PACK(const check *c)
{
    for (int k = 0; k < c->instr->n_args; k++)
        if (operand(c, k) != NULL)
            return wrong(c, "its operands must be scalars");
    return c->shape != NULL && c->shape->size == c->instr->n_args
               ? AD_OK
               : wrong(c, "it must have one element for each operand");
}

static ad_status check_CUSTOM(const check *c)
{
    return wrong(c, "a function of Python's cannot be in a program");
}

/* ---- Loops ------------------------------------------------------------------------ */

static ad_status verify(const ad_program *p, int depth, ad_message *message);

/* n_steps rows of a part fit; their elements are added to *total. */
static bool add_rows(int64_t size, int64_t n_steps, int64_t *total)
{
    if (n_steps > 0 && size > MAX_ELEMENTS / n_steps)
        return false;
    *total += size * n_steps;
    return *total <= MAX_ELEMENTS;
}

/* Operands against the body's inputs: by size, a loop copies elements. */
static ad_status loop_operands_fit(const check *c, const ad_scan *s)
{
    const uint32_t first_row = s->n_shared + s->n_carry;
    if (s->has_count && operand(c, 0) != NULL)
        return wrong(c, "the count is not a scalar");
    for (uint32_t k = 0; k < s->body->n_inputs; k++) {
        const int64_t size = ad_program_size(s->body, k);
        int64_t wanted = 0;
        if (!add_rows(size, k < first_row ? 1 : s->n_steps, &wanted) ||
            size_of(operand(c, (int)k + s->has_count)) != wanted)
            return wrong(c, "an operand has another size than the body's input");
    }
    return AD_OK;
}

/* The body's outputs: each carry as it was, and no more of all than can be. */
static ad_status loop_outputs_fit(const check *c, const ad_scan *s)
{
    const ad_program *body = s->body;
    const uint32_t *out = body->outputs + s->has_exit;
    int64_t total = 0;
    if (s->has_exit && ad_program_shape(body, body->outputs[0]) != NULL)
        return wrong(c, "whether to go on is not a scalar");
    for (uint32_t k = 0; k < s->n_carry + s->n_out_rows + s->n_out_sums; k++) {
        const bool is_carry = k < s->n_carry;
        const bool is_row = !is_carry && k < s->n_carry + s->n_out_rows;
        const int64_t size = ad_program_size(body, out[k]);
        if (is_carry && size != ad_program_size(body, s->n_shared + k))
            return wrong(c, "a carry changes its size");
        if (!add_rows(size, is_row ? s->n_steps : 1, &total) ||
            (is_carry && s->keeps_carry && !add_rows(size, s->n_steps, &total)))
            return wrong(c, "more elements than 2^46");
    }
    return AD_OK;
}

static ad_status check_SCAN(const check *c)
{
    const ad_scan *s = c->extra->attr.scan;
    if (s == NULL || s->n_steps < 0 || s->n_steps > MAX_ELEMENTS ||
        s->n_snapshots < 0 || s->n_snapshots > MAX_ELEMENTS || s->keeps_few ||
        s->readback != NULL || c->depth >= MAX_DEPTH)
        return wrong(c, "no steps, too many, or too many loops in one another");
    const ad_program *body = s->body;
    const uint64_t n_in = (uint64_t)s->n_shared + s->n_carry + s->n_rows;
    const uint64_t n_out = (uint64_t)s->n_carry + s->n_out_rows + s->n_out_sums;
    ad_status status = verify(body, c->depth + 1, c->message);
    if (status != AD_OK)
        return status;
    if (body->n_inputs != n_in || body->n_outputs != n_out + s->has_exit ||
        (uint64_t)c->instr->n_args != n_in + s->has_count || body->n_guards > 0)
        return wrong(c, "its body has other inputs and outputs than it says");
    status = loop_operands_fit(c, s);
    return status == AD_OK ? loop_outputs_fit(c, s) : status;
}

/* ---- Calls ------------------------------------------------------------------------ */

/* Has a program of a call these numbers of inputs and outputs, and no guards? */
static ad_status check_rule(const check *c, const ad_program *p, uint64_t n_inputs,
                            uint64_t n_outputs)
{
    ad_status status = verify(p, c->depth + 1, c->message);
    if (status != AD_OK)
        return status;
    return p->n_inputs == n_inputs && p->n_outputs == n_outputs && p->n_guards == 0
               ? AD_OK
               : wrong(c, "its rule has other inputs and outputs than it says");
}

/* Is value i of a rule shaped like an operand (-1: like the result)? */
static bool is_like(const check *c, const ad_program *p, uint32_t i, int k)
{
    const ad_array *x = ad_program_shape(p, i), *y = k < 0 ? c->shape : operand(c, k);
    return x == NULL || y == NULL ? x == y : ad_array_same_shape(x, y);
}

static ad_status rule_shapes_fit(const check *c, const ad_call *call)
{
    const uint32_t n = call->n_active;
    bool fits = is_like(c, call->adjoint, 0, -1) && is_like(c, call->adjoint, 1, -1) &&
                is_like(c, call->tangent, 0, -1) &&
                is_like(c, call->tangent, call->tangent->outputs[0], -1);
    for (uint32_t k = 0; k < n; k++)
        fits = fits &&
               is_like(c, call->adjoint, call->adjoint->outputs[k], 1 + (int)k) &&
               is_like(c, call->tangent, 1 + k, 1 + (int)k);
    for (uint32_t k = 1 + n; k < (uint32_t)c->instr->n_args; k++)
        fits = fits && is_like(c, call->adjoint, 1 + k - n, (int)k) &&
               is_like(c, call->tangent, k, (int)k);
    return fits ? AD_OK : wrong(c, "its rule has other shapes than its operands");
}

static ad_status check_CALL(const check *c)
{
    const ad_call *call = c->extra->attr.call;
    const uint64_t n_args = (uint64_t)c->instr->n_args;
    if (call == NULL || call->n_active >= n_args || c->depth >= MAX_DEPTH)
        return wrong(c, "no rule, too many operands, or too many in one another");
    if (call->adjoint == NULL)
        return AD_OK;
    ad_status status =
        check_rule(c, call->adjoint, n_args + 1 - call->n_active, call->n_active);
    if (status == AD_OK)
        status = check_rule(c, call->tangent, n_args, 1);
    return status == AD_OK ? rule_shapes_fit(c, call) : status;
}

/* Shapes say it all. */
static ad_status fine(const check *c)
{
    (void)c;
    return AD_OK;
}

#define check_MATMUL fine
#define check_STOP fine
#define check_SOLVE fine
#define check_LSTSQ fine
#define check_CHOLESKY fine
#define check_EIGH fine
#define check_SVD fine
#define check_DET fine
#define check_COFACTOR fine
#define check_SLOGDET fine

enum { MANY = -1 }; /* operands: one or more */

#define n_args_RESHAPE 1
#define n_args_STRIDED 1
#define n_args_STRIDED_ADD 1
#define n_args_GATHER 1
#define n_args_GATHER_ADD 1
#define n_args_PUT 2
#define n_args_CUMSUM 1
#define n_args_CAT MANY
#define n_args_PACK MANY
#define n_args_SCAN MANY
#define n_args_CALL MANY
#define n_args_MATMUL 2
#define n_args_REDUCE_MAX 1
#define n_args_CUSTOM MANY
#define n_args_INPUT 0
#define n_args_CONST 0
#define n_args_STOP 1
#define n_args_SOLVE 2
#define n_args_LSTSQ 2
#define n_args_CHOLESKY 1
#define n_args_EIGH 1
#define n_args_SVD 1
#define n_args_DET 1
#define n_args_COFACTOR 1
#define n_args_SLOGDET 1

typedef struct rule {
    int op, n_args;
    ad_status (*check)(const check *c);
} rule;

static const rule rules[] = {
#define OPS(id, ...) {AD_OP_##id, n_args_##id, check_##id},
#include "structural.def"
#undef OPS
};

/* ---- An instruction --------------------------------------------------------------- */

static const rule *rule_of(int op)
{
    return &rules[op - rules[0].op];
}

/* Find the operands: they are there, as many as the row wants, and below. */
static ad_status find_operands(check *c)
{
    const ad_instr *instr = c->instr;
    const int row = ad_op_get(instr->op)->n_args;
    const int wanted = row > 0 ? row : rule_of(instr->op)->n_args;
    if (wanted == MANY ? instr->n_args <= 0 : instr->n_args != wanted)
        return wrong(c, "another number of operands");
    if (instr->n_args > 3 &&
        (uint64_t)instr->args[0] + (uint64_t)instr->n_args > c->p->n_operands)
        return wrong(c, "its operands are not all there");
    c->args = ad_instr_args(c->p, instr);
    for (int k = 0; k < instr->n_args; k++)
        if (c->args[k] >= c->at)
            return wrong(c, "an operand does not lie below");
    return AD_OK;
}

/* The shape follows from operands and attributes. */
static ad_status shape_follows(const check *c)
{
    const int n = c->instr->n_args;
    ad_value few[3], *values = few;
    if (n > 3 && (values = malloc((size_t)n * sizeof *values)) == NULL)
        return AD_NO_MEMORY;
    for (int k = 0; k < n; k++)
        values[k] = (ad_value){0.0, ad_program_shape(c->p, c->args[k]), AD_NONE};
    const ad_attr attr = ad_program_attr(c->p, c->at);
    ad_array *shape = NULL;
    ad_status status = ad_infer_shape(NULL, c->instr->op, n, values, &attr, &shape);
    if (values != few)
        free(values);
    if (status == AD_SHAPE)
        return wrong(c, "the operands' shapes do not fit together");
    if (status != AD_OK)
        return status;
    const bool is_same = shape == NULL || c->shape == NULL
                             ? shape == c->shape
                             : ad_array_same_shape(shape, c->shape);
    ad_array_drop(shape);
    return is_same ? AD_OK : wrong(c, "its shape is not what its operands make");
}

static ad_status check_instr(const ad_program *p, uint32_t at, int depth,
                             ad_message *message)
{
    static const ad_extra none = {.n_strides = 0};
    const ad_instr *instr = &p->instr[at];
    if (instr->op >= ad_op_count())
        return wrong_part(message, "instruction", at, "there is no such operation");
    check c = {.p = p, .instr = instr, .at = at, .depth = depth, .message = message};
    if (instr->shape >= p->n_shapes)
        return wrong(&c, "there is no such shape");
    if (instr->extra != AD_NONE && instr->extra >= p->n_extras)
        return wrong(&c, "there are no such attributes");
    c.extra = instr->extra != AD_NONE ? &p->extras[instr->extra] : &none;
    c.shape = p->shapes[instr->shape];
    ad_status status = find_operands(&c);
    if (status == AD_OK && ad_op_get(instr->op)->n_args == 0)
        status = rule_of(instr->op)->check(&c);
    return status == AD_OK ? shape_follows(&c) : status;
}

/* ---- The rest --------------------------------------------------------------------- */

/* Extents are so small that no product of them, zeros left out, overflows. */
static ad_status check_shape(const ad_array *shape, uint32_t at, ad_message *message)
{
    if (shape == NULL || shape->ndim < 1 || shape->ndim > AD_MAX_NDIM)
        return wrong_part(message, "shape", at, "another number of axes than 1 to 32");
    int64_t product = 1;
    for (int i = 0; i < shape->ndim; i++) {
        const int64_t extent = shape->shape[i];
        if (extent < 0 || (extent > 0 && product > MAX_ELEMENTS / extent))
            return wrong_part(message, "shape", at, "a negative or too large extent");
        product *= extent > 0 ? extent : 1;
    }
    return shape->size == ad_shape_size(shape->ndim, shape->shape)
               ? AD_OK
               : wrong_part(message, "shape", at,
                            "its size is not that of its extents");
}

static ad_status check_tables(const ad_program *p, ad_message *message)
{
    if (p->n >= AD_MAX_ENTRIES || p->n_inputs > p->n)
        return wrong_part(message, "input", p->n_inputs, "it has no instruction");
    if (p->n_shapes < 1 || p->shapes[0] != NULL)
        return wrong_part(message, "shape", 0, "it must be that of a scalar");
    for (uint32_t i = 1; i < p->n_shapes; i++) {
        ad_status status = check_shape(p->shapes[i], i, message);
        if (status != AD_OK)
            return status;
    }
    for (uint32_t i = 0; i < p->n_extras; i++) {
        const ad_extra *e = &p->extras[i];
        if (e->n_strides < 0 || e->n_strides > AD_MAX_NDIM ||
            (e->n_strides > 0 && e->attr.strides == NULL) || e->attr.object != NULL)
            return wrong_part(message, "attributes", i, "they make no sense");
    }
    return AD_OK;
}

static ad_status verify(const ad_program *p, int depth, ad_message *message)
{
    ad_status status = check_tables(p, message);
    if (status != AD_OK)
        return status;
    int64_t n_elements = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        if (i < p->n_inputs && p->instr[i].op != AD_OP_INPUT)
            return wrong_part(message, "input", i, "input k must be instruction k");
        if ((status = check_instr(p, i, depth, message)) != AD_OK)
            return status;
        n_elements += ad_program_size(p, i);
        if (n_elements > MAX_ELEMENTS)
            return wrong_part(message, "instruction", i, "more elements than 2^46");
    }
    for (uint32_t k = 0; k < p->n_outputs; k++)
        if (p->outputs[k] >= p->n)
            return wrong_part(message, "output", k, "there is no such value");
    for (uint32_t k = 0; k < p->n_guards; k++)
        if (p->guards[k].value >= p->n ||
            ad_program_shape(p, p->guards[k].value) != NULL)
            return wrong_part(message, "guard", k, "it must name a scalar");
    return AD_OK;
}

ad_status ad_program_verify(const ad_program *p, ad_message *message)
{
    return verify(p, 0, message);
}
