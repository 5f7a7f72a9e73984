/*
 * transform_scan.c - see transform_scan.h; the order of parts is scan.h's.
 */
#include "transform_scan.h"

#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "bag.h"
#include "kernel.h"
#include "runs.h"
#include "transform.h"

/* ---- Parts of a result -------------------------------------------------------------------- */

/* Elements of a vector from `offset` on, in a shape; with rows, n_rows of that shape. */
static ad_status view(ad_tape *tape, const ad_value *vector, int64_t offset,
                      const ad_array *shape, int64_t n_rows, bool has_rows,
                      ad_value *out)
{
    int64_t extents[AD_MAX_NDIM + 1] = {0}, strides[AD_MAX_NDIM + 1];
    int ndim = 0;
    if (has_rows)
        extents[ndim++] = n_rows;
    for (int i = 0; shape != NULL && i < shape->ndim && ndim < AD_MAX_NDIM; i++)
        extents[ndim++] = shape->shape[i];
    ad_shape_strides(ndim, extents, ndim, extents, strides);
    ad_array *ghost = ndim > 0 ? ad_array_ghost(ndim, extents) : NULL;
    if (ndim > 0 && ghost == NULL)
        return AD_NO_MEMORY;
    ad_attr attr = {.offset = offset, .shape = ghost, .strides = strides};
    ad_status status = ad_apply(tape, AD_OP_STRIDED, 1, vector, &attr, out);
    ad_array_drop(ghost);
    return status;
}

static const ad_array *shape_of(const ad_scan *s, ad_scan_part part, uint32_t k)
{
    return part == AD_SCAN_DONE
               ? NULL
               : ad_program_shape(s->body, ad_scan_value_of(s, part, k));
}

static bool has_rows(ad_scan_part part)
{
    return part == AD_SCAN_ROWS || part == AD_SCAN_KEPT;
}

static ad_status put_part(ad_bag *list, ad_tape *tape, const ad_scan *s,
                          const ad_value *z, ad_scan_part part, uint32_t k)
{
    ad_value v;
    ad_status status = view(tape, z, ad_scan_offset(s, part, k), shape_of(s, part, k),
                            s->n_steps, has_rows(part), &v);
    return status == AD_OK ? ad_bag_put(list, v) : status;
}

/* Where a part of an adjoint stands that may have been added up: true if it is zero. */
static bool find_seed(const ad_builder *b, const ad_scan *s, const ad_value *z_bar,
                      ad_scan_part part, uint32_t k, ad_run_of *run)
{
    const ad_array *shape = shape_of(s, part, k);
    *run = (ad_run_of){z_bar->entry, ad_scan_offset(s, part, k),
                       (shape != NULL ? shape->size : 1) *
                           (has_rows(part) ? s->n_steps : 1)};
    if (z_bar->entry != AD_NONE)
        return ad_runs_are_zero(b->program, run);
    for (int64_t i = 0; i < run->size; i++)
        if (z_bar->array == NULL || z_bar->array->data[run->first + i] != 0.0)
            return false;
    return true;
}

static bool is_seeded(const ad_builder *b, const ad_scan *s, const ad_value *z_bar,
                      ad_scan_part part, uint32_t k)
{
    ad_run_of run;
    return !find_seed(b, s, z_bar, part, k, &run);
}

/* The part of an adjoint, from where it was made. */
static ad_status put_seed(ad_bag *list, const ad_builder *b, const ad_scan *s,
                          const ad_value *z_bar, ad_scan_part part, uint32_t k)
{
    ad_run_of run;
    const bool is_zero = find_seed(b, s, z_bar, part, k, &run);
    if (is_zero && !has_rows(part))
        return ad_bag_put_zeros(list, shape_of(s, part, k));
    if (is_zero || run.value == AD_NONE)
        return put_part(list, b->tape, s, z_bar, part, k);
    ad_value source = ad_builder_value(b, run.value), v = source;
    if (source.array == NULL && shape_of(s, part, k) == NULL && !has_rows(part))
        return ad_bag_put(list, source);
    ad_status status = view(b->tape, &source, run.first, shape_of(s, part, k),
                            s->n_steps, has_rows(part), &v);
    ad_value_drop(&source);
    return status == AD_OK ? ad_bag_put(list, v) : status;
}

static const ad_scan *scan_of(const ad_builder *b, const ad_value *z)
{
    const ad_program *p = b->program;
    return p->extras[p->instr[z->entry].extra].attr.scan;
}

/* ---- The body backwards ----------------------------------------------------------------------- */

/* Which seeds of sums, rows and kept carries are more than zeros, in this order. NULL:
 * no memory. */
static bool *find_seeded(const ad_builder *b, const ad_scan *s, const ad_value *z_bar)
{
    bool *is_seeded_at = calloc((size_t)s->n_out_sums + s->n_out_rows + s->n_carry + 1,
                                sizeof *is_seeded_at);
    bool *at = is_seeded_at;
    for (uint32_t k = 0; at != NULL && k < s->n_out_sums; k++)
        *at++ = is_seeded(b, s, z_bar, AD_SCAN_SUMS, k);
    for (uint32_t k = 0; at != NULL && k < s->n_out_rows; k++)
        *at++ = is_seeded(b, s, z_bar, AD_SCAN_ROWS, k);
    for (uint32_t k = 0; at != NULL && k < s->n_carry; k++)
        *at++ = is_seeded(b, s, z_bar, AD_SCAN_KEPT, k);
    return is_seeded_at;
}

static ad_status put_seed_input(ad_bag *in, ad_builder *b, const ad_scan *s,
                                bool is_there, uint32_t value)
{
    return is_there ? ad_bag_put_input(in, b, s->body, value)
                    : ad_bag_put_zeros(in, ad_program_shape(s->body, value));
}

/* Inputs of the body backwards: (shared, sums' seeds), carry's adjoints, (kept carries,
 * rows, rows' seeds, kept carries' seeds). Seeds that are zero are constants instead. */
static ad_status reverse_inputs(ad_builder *b, const ad_scan *s,
                                const bool *is_seeded_at, ad_bag *in)
{
    const ad_program *body = s->body;
    ad_status status = AD_OK;
    for (uint32_t k = 0; k < s->n_shared && status == AD_OK; k++)
        status = ad_bag_put_input(in, b, body, k);
    for (uint32_t k = 0; k < s->n_out_sums && status == AD_OK; k++)
        status = put_seed_input(in, b, s, *is_seeded_at++,
                                ad_scan_value_of(s, AD_SCAN_SUMS, k));
    for (int times = 0; times < 2; times++) /* adjoints of the carry, the carry */
        for (uint32_t k = 0; k < s->n_carry && status == AD_OK; k++)
            status = ad_bag_put_input(in, b, body, s->n_shared + k);
    for (uint32_t k = 0; k < s->n_rows && status == AD_OK; k++)
        status = ad_bag_put_input(in, b, body, s->n_shared + s->n_carry + k);
    for (uint32_t k = 0; k < s->n_out_rows && status == AD_OK; k++)
        status = put_seed_input(in, b, s, *is_seeded_at++,
                                ad_scan_value_of(s, AD_SCAN_ROWS, k));
    for (uint32_t k = 0; k < s->n_carry && status == AD_OK; k++)
        status = put_seed_input(in, b, s, *is_seeded_at++, s->n_shared + k);
    return status;
}

/* Where those groups begin. */
typedef struct places {
    uint32_t shared, sums, carry_bar, kept, rows, row_bars, kept_bars;
} places;

static places places_of(const ad_scan *s)
{
    places at = {.shared = 0, .sums = s->n_shared};
    at.carry_bar = at.sums + s->n_out_sums;
    at.kept = at.carry_bar + s->n_carry;
    at.rows = at.kept + s->n_carry;
    at.row_bars = at.rows + s->n_rows;
    at.kept_bars = at.row_bars + s->n_out_rows;
    return at;
}

/* The body's own inputs, and seeds of its outputs, out of those. Borrowed. */
static void sort_inputs(const ad_scan *s, const ad_bag *in, ad_value *inputs,
                        ad_value *seeds)
{
    const places at = places_of(s);
    memcpy(inputs, in->v + at.shared, s->n_shared * sizeof *inputs);
    memcpy(inputs + s->n_shared, in->v + at.kept,
           (s->n_carry + s->n_rows) * sizeof *inputs);
    if (s->has_exit)
        *seeds++ = (ad_value){0.0, NULL, AD_NONE};
    memcpy(seeds, in->v + at.carry_bar, s->n_carry * sizeof *seeds);
    memcpy(seeds + s->n_carry, in->v + at.row_bars, s->n_out_rows * sizeof *seeds);
    memcpy(seeds + s->n_carry + s->n_out_rows, in->v + at.sums,
           s->n_out_sums * sizeof *seeds);
}

/* An adjoint that the body's reverse made, or zeros. */
static ad_status put_adjoint(ad_bag *out, const ad_scan *s, uint32_t input,
                             const ad_value *x_bar, const bool *has_x_bar)
{
    return has_x_bar[input] ? ad_bag_put_kept(out, &x_bar[input])
                            : ad_bag_put_zeros(out, ad_program_shape(s->body, input));
}

/* Outputs: carry's adjoints, with what comes of kept carries; rows'; shared ones' sums. */
static ad_status reverse_outputs(ad_builder *b, const ad_scan *s, const ad_bag *in,
                                 const bool *is_wanted, const ad_value *x_bar,
                                 const bool *has_x_bar, ad_bag *out)
{
    ad_status status = AD_OK;
    for (uint32_t k = 0; k < s->n_carry && status == AD_OK; k++) {
        const ad_value *kept_bar = &in->v[places_of(s).kept_bars + k];
        const uint32_t input = s->n_shared + k;
        if (!has_x_bar[input] || kept_bar->entry == AD_NONE) {
            status = ad_bag_put_kept(out, has_x_bar[input] ? &x_bar[input] : kept_bar);
            continue;
        }
        ad_value args[2] = {x_bar[input], *kept_bar}, sum;
        status = ad_apply(b->tape, AD_OP_ADD, 2, args, NULL, &sum);
        if (status == AD_OK)
            status = ad_bag_put(out, sum);
    }
    for (uint32_t k = s->n_shared + s->n_carry;
         k < s->body->n_inputs && status == AD_OK; k++)
        if (is_wanted[k])
            status = put_adjoint(out, s, k, x_bar, has_x_bar);
    for (uint32_t k = 0; k < s->n_shared && status == AD_OK; k++)
        if (is_wanted[k])
            status = put_adjoint(out, s, k, x_bar, has_x_bar);
    return status;
}

/* Scratch of a body's derivative. */
typedef struct work {
    ad_builder *b;
    ad_bag in, out;
    ad_value *inputs, *values, *seeds, *made;
    bool *has_made;
} work;

static ad_status work_start(work *w, const ad_scan *s)
{
    const size_t n = s->body->n_inputs + s->body->n_outputs + 1;
    *w = (work){.b = ad_builder_new(false)};
    w->inputs = calloc(n, sizeof *w->inputs);
    w->values = calloc((size_t)s->body->n + 1, sizeof *w->values);
    w->seeds = calloc(n, sizeof *w->seeds);
    w->made = calloc(n, sizeof *w->made);
    w->has_made = calloc(n, sizeof *w->has_made);
    return w->b != NULL && w->inputs != NULL && w->values != NULL && w->seeds != NULL &&
                   w->made != NULL && w->has_made != NULL
               ? AD_OK
               : AD_NO_MEMORY;
}

static void work_end(work *w, const ad_scan *s)
{
    ad_bag_free(&w->in);
    ad_bag_free(&w->out);
    if (w->values != NULL)
        ad_values_drop(s->body->n, w->values);
    if (w->made != NULL)
        ad_values_drop(s->body->n_inputs + s->body->n_outputs, w->made);
    free(w->inputs);
    free(w->values);
    free(w->seeds);
    free(w->made);
    free(w->has_made);
    ad_builder_free(w->b);
}

static ad_status reverse_body(const ad_scan *s, const bool *is_wanted,
                              const bool *is_seeded_at, ad_program **made)
{
    work w;
    ad_status status = work_start(&w, s);
    if (status == AD_OK) {
        w.b->keeps_carry = true;
        status = reverse_inputs(w.b, s, is_seeded_at, &w.in);
    }
    if (status == AD_OK) {
        sort_inputs(s, &w.in, w.inputs, w.seeds);
        status = ad_builder_inline(w.b, s->body, w.inputs, w.values);
    }
    if (status == AD_OK)
        status = ad_transform_reverse(w.b, s->body, w.values, is_wanted, w.seeds,
                                      w.made, w.has_made);
    if (status == AD_OK)
        status = reverse_outputs(w.b, s, &w.in, is_wanted, w.made, w.has_made, &w.out);
    if (status == AD_OK)
        status = ad_builder_finish(w.b, w.out.n, w.out.v, false, made);
    work_end(&w, s);
    return status;
}

/* ---- The loop backwards --------------------------------------------------------------------------- */

/* Operands of the loop backwards, in the order of reverse_inputs. */
static ad_status reverse_operands(ad_builder *b, const ad_scan *s, const ad_value *args,
                                  const ad_value *z, const ad_value *z_bar,
                                  const bool *is_seeded_at, ad_bag *list)
{
    ad_tape *tape = b->tape;
    ad_status status = AD_OK;
    if (s->has_exit)
        status = put_part(list, tape, s, z, AD_SCAN_DONE, 0);
    else if (s->has_count)
        status = ad_bag_put_kept(list, &args[0]);
    args += s->has_count;
    for (uint32_t k = 0; k < s->n_shared && status == AD_OK; k++)
        status = ad_bag_put_kept(list, &args[k]);
    for (uint32_t k = 0; k < s->n_out_sums && status == AD_OK; k++)
        if (*is_seeded_at++)
            status = put_seed(list, b, s, z_bar, AD_SCAN_SUMS, k);
    for (uint32_t k = 0; k < s->n_carry && status == AD_OK; k++)
        status = put_seed(list, b, s, z_bar, AD_SCAN_CARRY, k);
    for (uint32_t k = 0; k < s->n_carry && status == AD_OK; k++)
        status = put_part(list, tape, s, z, AD_SCAN_KEPT, k);
    for (uint32_t k = 0; k < s->n_rows && status == AD_OK; k++)
        status = ad_bag_put_kept(list, &args[s->n_shared + s->n_carry + k]);
    for (uint32_t k = 0; k < s->n_out_rows && status == AD_OK; k++)
        if (*is_seeded_at++)
            status = put_seed(list, b, s, z_bar, AD_SCAN_ROWS, k);
    for (uint32_t k = 0; k < s->n_carry && status == AD_OK; k++)
        if (*is_seeded_at++)
            status = put_seed(list, b, s, z_bar, AD_SCAN_KEPT, k);
    return status;
}

static ad_status take_part(ad_tape *tape, const ad_scan *s, const ad_value *z,
                           ad_scan_part part, uint32_t k, ad_value *x_bar,
                           bool *has_x_bar)
{
    ad_bag one = {NULL, 0, 0};
    ad_status status = put_part(&one, tape, s, z, part, k);
    if (status == AD_OK) {
        *x_bar = one.v[0];
        *has_x_bar = true;
        one.n = 0;
    }
    ad_bag_free(&one);
    return status;
}

/* Adjoints of operands out of the result of the loop backwards. */
static ad_status take_adjoints(ad_tape *tape, const ad_scan *s, const ad_scan *r,
                               const ad_value *found, const bool *is_wanted,
                               ad_value *x_bar, bool *has_x_bar)
{
    ad_status status = AD_OK;
    uint32_t n_rows = 0, n_sums = 0;
    for (uint32_t k = 0; k < s->body->n_inputs && status == AD_OK; k++) {
        const bool is_shared = k < s->n_shared;
        const bool is_carry = !is_shared && k < s->n_shared + s->n_carry;
        if (!is_wanted[k])
            continue;
        if (is_carry)
            status = take_part(tape, r, found, AD_SCAN_CARRY, k - s->n_shared,
                               &x_bar[k], &has_x_bar[k]);
        else if (is_shared)
            status = take_part(tape, r, found, AD_SCAN_SUMS, n_sums++, &x_bar[k],
                               &has_x_bar[k]);
        else
            status = take_part(tape, r, found, AD_SCAN_ROWS, n_rows++, &x_bar[k],
                               &has_x_bar[k]);
    }
    return status;
}

static ad_status apply_scan(ad_builder *b, const ad_scan *like, const ad_bag *operands,
                            ad_scan **scan, ad_value *out)
{
    *scan = ad_scan_new(like);
    if (*scan == NULL)
        return AD_NO_MEMORY;
    ad_attr attr = {.scan = *scan};
    return ad_apply(b->tape, AD_OP_SCAN, (int)operands->n, operands->v, &attr, out);
}

/* Which inputs of the body count: of the carry all, of the rest what is active. */
static bool *wanted_inputs(const ad_scan *s, const bool *is_active)
{
    bool *is_wanted = calloc(s->body->n_inputs + 1, sizeof *is_wanted);
    for (uint32_t k = 0; is_wanted != NULL && k < s->body->n_inputs; k++)
        is_wanted[k] = is_active[s->has_count + k] ||
                       (k >= s->n_shared && k < s->n_shared + s->n_carry);
    return is_wanted;
}

ad_status ad_scan_reverse(ad_builder *b, const ad_value *args, const bool *is_active,
                          const ad_value *z, const ad_value *z_bar, ad_value *x_bar,
                          bool *has_x_bar)
{
    const ad_scan *s = scan_of(b, z);
    ad_scan *r = NULL, kept = *s;
    bool *is_wanted = wanted_inputs(s, is_active);
    bool *is_seeded_at = find_seeded(b, s, z_bar);
    ad_program *body = NULL;
    ad_bag operands = {NULL, 0, 0};
    ad_value found = {0.0, NULL, AD_NONE};
    s = &kept; /* the builder's own may move; its body is the program's that b derives */
    ad_program_keep(kept.body);
    ad_status status = is_wanted != NULL && is_seeded_at != NULL
                           ? reverse_body(s, is_wanted, is_seeded_at, &body)
                           : AD_NO_MEMORY;
    if (status == AD_OK)
        status = reverse_operands(b, s, args, z, z_bar, is_seeded_at, &operands);
    if (status == AD_OK) {
        ad_scan spec = {.body = body,
                        .n_steps = s->n_steps,
                        .n_shared = s->n_shared,
                        .n_carry = s->n_carry,
                        .n_out_rows = body->n_outputs - s->n_carry,
                        .is_reversed = !s->is_reversed,
                        .has_count = s->has_exit || s->has_count,
                        .n_snapshots = s->n_snapshots};
        for (uint32_t k = 0; k < s->n_out_sums; k++)
            spec.n_shared += is_seeded_at[k];
        spec.n_rows = body->n_inputs - spec.n_shared - s->n_carry;
        for (uint32_t k = 0; k < s->n_shared; k++)
            spec.n_out_sums += is_wanted[k];
        spec.n_out_rows -= spec.n_out_sums;
        status = apply_scan(b, &spec, &operands, &r, &found);
    }
    if (status == AD_OK) {
        status = take_adjoints(b->tape, s, r, &found, is_wanted, x_bar + s->has_count,
                               has_x_bar + s->has_count);
        ad_value_drop(&found);
    }
    ad_bag_free(&operands);
    ad_scan_drop(r);
    ad_program_drop(body);
    ad_program_drop(kept.body);
    free(is_wanted);
    free(is_seeded_at);
    return status;
}

/* ---- Forward -------------------------------------------------------------------------------------------- */

/* Inputs of the body with tangents: shared, their tangents, carry, its tangents, rows,
 * theirs. */
static ad_status forward_inputs(ad_builder *b, const ad_scan *s, const bool *is_wanted,
                                ad_bag *in, ad_value *inputs, ad_value *x_dot)
{
    const uint32_t ends[] = {s->n_shared, s->n_shared + s->n_carry, s->body->n_inputs};
    ad_status status = AD_OK;
    uint32_t first = 0;
    for (int group = 0; group < 3; first = ends[group++]) {
        for (uint32_t k = first; k < ends[group] && status == AD_OK; k++)
            if ((status = ad_bag_put_input(in, b, s->body, k)) == AD_OK)
                inputs[k] = in->v[in->n - 1];
        for (uint32_t k = first; k < ends[group] && status == AD_OK; k++)
            if (is_wanted[k] && (status = ad_bag_put_input(in, b, s->body, k)) == AD_OK)
                x_dot[k] = in->v[in->n - 1];
    }
    return status;
}

/* Outputs: whether to go on; then each group of values with its tangents behind it. */
static ad_status forward_outputs(const ad_scan *s, const work *w, ad_bag *out)
{
    const ad_program *body = s->body;
    const uint32_t ends[] = {s->has_exit + s->n_carry,
                             s->has_exit + s->n_carry + s->n_out_rows, body->n_outputs};
    ad_status status = AD_OK;
    uint32_t first = 0;
    for (int group = 0; group < 3; first = ends[group++]) {
        for (uint32_t k = first; k < ends[group] && status == AD_OK; k++)
            status = ad_bag_put_kept(out, &w->values[body->outputs[k]]);
        for (uint32_t k = first; k < ends[group] && status == AD_OK; k++)
            if (k >= s->has_exit)
                status = w->has_made[k]
                             ? ad_bag_put_kept(out, &w->made[k])
                             : ad_bag_put_zeros(
                                   out, ad_program_shape(body, body->outputs[k]));
    }
    return status;
}

static ad_status forward_body(const ad_scan *s, const bool *is_wanted,
                              ad_program **made)
{
    work w;
    ad_status status = work_start(&w, s);
    if (status == AD_OK)
        status = forward_inputs(w.b, s, is_wanted, &w.in, w.inputs, w.seeds);
    if (status == AD_OK)
        status = ad_builder_inline(w.b, s->body, w.inputs, w.values);
    if (status == AD_OK)
        status = ad_transform_forward(w.b, s->body, w.values, w.seeds, is_wanted,
                                      w.made, w.has_made);
    if (status == AD_OK)
        status = forward_outputs(s, &w, &w.out);
    if (status == AD_OK)
        status = ad_builder_finish(w.b, w.out.n, w.out.v, false, made);
    work_end(&w, s);
    return status;
}

static ad_status forward_operands(const ad_scan *s, const ad_value *args,
                                  const bool *is_wanted, const ad_value *x_dot,
                                  const bool *has_x_dot, ad_bag *list)
{
    const uint32_t ends[] = {s->n_shared, s->n_shared + s->n_carry, s->body->n_inputs};
    ad_status status = s->has_count ? ad_bag_put_kept(list, &args[0]) : AD_OK;
    args += s->has_count;
    x_dot += s->has_count;
    has_x_dot += s->has_count;
    uint32_t first = 0;
    for (int group = 0; group < 3; first = ends[group++]) {
        for (uint32_t k = first; k < ends[group] && status == AD_OK; k++)
            status = ad_bag_put_kept(list, &args[k]);
        for (uint32_t k = first; k < ends[group] && status == AD_OK; k++)
            if (is_wanted[k])
                status = has_x_dot[k] ? ad_bag_put_kept(list, &x_dot[k])
                                      : ad_bag_put_zeros(list, args[k].array);
    }
    return status;
}

/* The tangent of how many steps were done: none. */
static ad_status put_no_change(ad_bag *pieces)
{
    const int64_t one = 1;
    ad_array *shape = ad_array_ghost(1, &one);
    ad_status status = shape != NULL ? ad_bag_put_zeros(pieces, shape) : AD_NO_MEMORY;
    ad_array_drop(shape);
    return status;
}

/* The tangents out of the result: behind each part, for each part. */
static ad_status take_tangents(ad_builder *b, const ad_scan *s, const ad_scan *f,
                               const ad_value *found, ad_value *z_dot)
{
    const ad_scan_part parts[] = {AD_SCAN_CARRY, AD_SCAN_ROWS, AD_SCAN_SUMS,
                                  AD_SCAN_KEPT};
    const uint32_t counts[] = {s->n_carry, s->n_out_rows, s->n_out_sums,
                               s->keeps_carry ? s->n_carry : 0};
    ad_bag pieces = {NULL, 0, 0};
    ad_status status = AD_OK;
    for (int j = 0; j < 4 && status == AD_OK; j++) {
        const int64_t from = ad_scan_offset(f, parts[j], counts[j]);
        const int64_t size = ad_scan_offset(f, parts[j], 2 * counts[j]) - from;
        ad_value piece;
        if (parts[j] == AD_SCAN_KEPT && s->has_exit)
            status = put_no_change(&pieces);
        if (size == 0 || status != AD_OK)
            continue;
        status = view(b->tape, found, from, NULL, size, true, &piece);
        if (status == AD_OK)
            status = ad_bag_put(&pieces, piece);
    }
    ad_attr attr = {.axis = 0};
    if (status == AD_OK)
        status = ad_apply(b->tape, AD_OP_CAT, (int)pieces.n, pieces.v, &attr, z_dot);
    ad_bag_free(&pieces);
    return status;
}

ad_status ad_scan_forward(ad_builder *b, const ad_value *args, const ad_value *z,
                          const ad_value *x_dot, const bool *has_x_dot, ad_value *z_dot)
{
    ad_scan kept = *scan_of(b, z), *f = NULL;
    const ad_scan *s = &kept;
    bool *is_wanted = wanted_inputs(s, has_x_dot);
    ad_program *body = NULL;
    ad_bag operands = {NULL, 0, 0};
    ad_value found = {0.0, NULL, AD_NONE};
    ad_program_keep(kept.body);
    ad_status status =
        is_wanted != NULL ? forward_body(s, is_wanted, &body) : AD_NO_MEMORY;
    if (status == AD_OK)
        status = forward_operands(s, args, is_wanted, x_dot, has_x_dot, &operands);
    if (status == AD_OK) {
        ad_scan spec = *s;
        spec.body = body;
        spec.n_carry = 2 * s->n_carry;
        spec.n_out_rows = 2 * s->n_out_rows;
        spec.n_out_sums = 2 * s->n_out_sums;
        for (uint32_t k = 0; k < s->body->n_inputs; k++) {
            spec.n_shared += k < s->n_shared && is_wanted[k];
            spec.n_rows += k >= s->n_shared + s->n_carry && is_wanted[k];
        }
        status = apply_scan(b, &spec, &operands, &f, &found);
    }
    if (status == AD_OK) {
        status = take_tangents(b, s, f, &found, z_dot);
        ad_value_drop(&found);
    }
    ad_bag_free(&operands);
    ad_scan_drop(f);
    ad_program_drop(body);
    ad_program_drop(kept.body);
    free(is_wanted);
    return status;
}
