/*
 * sweep.c - the reverse sweep.
 *
 * Entries wait in the workspace's pending set and are taken from the top; every
 * operand lies below, so an entry is complete when it is taken. Scalars go
 * through sweep_scalars, a loop over the compiled formulas; arrays, structure,
 * watches, graphs of graphs and checks go one entry at a time through
 * sweep_entry, which works in terms of ad_apply.
 */
#include "sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "elementary.h"
#include "frontier.h"
#include "rules.h"
#include "workspace.h"

enum { POLL_EVERY = 1 << 18 };

typedef struct run {
    ad_tape *tape;
    ad_workspace *ws;
    ad_workspace *live; /* marks what depends on the ends; NULL: everything counts */
    const ad_sweep *sweep;
    uint32_t word; /* of the pending set, at or above every waiting entry */
    int64_t n_visited;
    ad_status status;
} run;

/* ---- Scalars ------------------------------------------------------------------------ */

/* The sweep rule, for scalars: only a NaN can come of a product with zero. */
static inline double product(double p, double g, bool is_strict)
{
    double c = p * g;
    if (c != c && !is_strict && (p == 0.0 || g == 0.0))
        c = 0.0;
    return c;
}

/* The latest contribution, kept out of memory: in a chain it is what the very next
 * entry asks for, and a load straight after its store would stall. */
typedef struct carried {
    uint32_t entry;
    double value;
} carried;

static inline void put_down(ad_adjoint *adjoint, carried *c)
{
    if (c->entry != AD_NONE)
        adjoint[c->entry].scalar += c->value;
    c->entry = AD_NONE;
}

/* Is a value that the entry's rule reads stale? Then sweep_entry says so. */
static bool reads_stale(const ad_entry *entries, const ad_entry *e)
{
    uint8_t operands = entries[e->x].flags;
    if (e->kind == AD_KIND_BINARY)
        operands |= entries[e->u.y].flags;
    bool is_stale = (e->flags & AD_FLAG_STALE) ||
                    ((operands & AD_FLAG_STALE) && !(e->flags & AD_FLAG_INPLACE));
    return is_stale && (ad_op_saves()[e->op] >> e->kind & 1);
}

/* As in op.c: an entry has its result, so the row POW need not take a power again. */
#define _pow_d(x_, y_)                                                           \
    (e->op == AD_OP_POW ? _pow_d_known(x_, y_, z) : _pow_d(x_, y_))

/* A case for each row and each kind of small entry: p and q become the partials. */
#define CASE(id, kind) case AD_OP_##id << 2 | AD_KIND_##kind
#define OPERANDS(x_, y_)                                                         \
    const double x = x_, y = y_;                                                 \
    (void)x, (void)y
#define OP1(id, names, formula, dx, ...)                                         \
    CASE(id, UNARY) : {                                                          \
        OPERANDS(first, 0.0);                                                    \
        p = dx;                                                                  \
        goto one_operand;                                                        \
    }
#define OP2(id, names, formula, dx, dy, ...)                                     \
    CASE(id, X_CONST) : {                                                        \
        OPERANDS(first, e->u.constant);                                          \
        p = dx;                                                                  \
        goto one_operand;                                                        \
    }                                                                            \
    CASE(id, CONST_Y) : {                                                        \
        OPERANDS(e->u.constant, first);                                          \
        p = dy;                                                                  \
        goto one_operand;                                                        \
    }                                                                            \
    CASE(id, BINARY) : {                                                         \
        OPERANDS(first, entries[e->u.y].value);                                  \
        p = dx;                                                                  \
        q = dy;                                                                  \
        goto two_operands;                                                       \
    }
#define OP3(id, ...)

/*
 * Sweep scalar entries until something else comes up. Returns false when nothing
 * waits any more; else *index is the entry that needs sweep_entry.
 */
static bool sweep_scalars(run *r, uint32_t *index)
{
    ad_entry *entries = r->tape->entries;
    ad_pending pending = r->ws->pending;
    ad_adjoint *const adjoint = r->ws->adjoint;
    const bool is_strict = r->sweep->is_strict, keeps = r->sweep->keeps_graph;
    const bool checks_stale = r->tape->has_stale;
    const uint32_t floor = r->sweep->floor;
    const uint8_t *const saves = ad_op_saves();
    ad_pending_top top = ad_pending_open(&pending, r->word);
    carried last = {AD_NONE, 0.0};
    int32_t budget = POLL_EVERY;
    uint32_t i = 0;
    bool more;
    while ((more = ad_pending_top_pop(&pending, &top, &i))) {
        ad_entry *const e = &entries[i];
        double g = adjoint[i].scalar, p, q;
        if (e->kind > AD_KIND_LEAF || (e->flags & (AD_FLAG_ARRAY | AD_FLAG_WATCHED)) ||
            e->kind == AD_KIND_NODE || i < floor || --budget < 0)
            break;
        if (checks_stale && e->kind != AD_KIND_LEAF && reads_stale(entries, e))
            break;
        if (g != 0.0)
            adjoint[i].scalar = 0.0;
        if (last.entry == i)
            g += last.value;
        else
            put_down(adjoint, &last);
        if (e->kind == AD_KIND_LEAF) {
            const ad_value whole = {g, NULL, AD_NONE};
            last.entry = AD_NONE;
            r->status = r->sweep->on_leaf(r->sweep->context, e->u.leaf, &whole);
            if (r->status != AD_OK)
                break;
            entries = r->tape->entries; /* a hook may have recorded */
            continue;
        }
        const double first = entries[e->x].value, z = e->value;
        (void)z;
        switch (e->op << 2 | e->kind) {
#include "ops.def"
        }
        continue; /* not reached: every row that fits an entry has its cases */
    two_operands:
        adjoint[e->u.y].scalar += product(q, g, is_strict);
        ad_pending_top_add(&pending, &top, e->u.y);
    one_operand:
        last.entry = e->x;
        last.value = product(p, g, is_strict);
        ad_pending_top_add(&pending, &top, e->x);
        if (!keeps && (saves[e->op] >> e->kind & 1))
            e->kind = AD_KIND_FREED;
    }
    put_down(adjoint, &last);
    r->n_visited += POLL_EVERY - budget;
    if (more)
        ad_pending_close(&pending, &top);
    r->word = top.word;
    *index = i;
    return more;
}
#undef OP1
#undef OP2
#undef OP3
#undef CASE
#undef OPERANDS
#undef _pow_d

/* ---- Any entry ------------------------------------------------------------------------ */

int ad_entry_args(const ad_tape *tape, const ad_entry *e, ad_value *args)
{
    const ad_value x = {e->kind == AD_KIND_LEAF || e->kind == AD_KIND_FREED ||
                                e->kind == AD_KIND_NODE
                            ? 0.0
                            : tape->entries[e->x].value,
                        NULL, e->x};
    switch ((ad_kind)e->kind) {
    case AD_KIND_UNARY: args[0] = x; return 1;
    case AD_KIND_X_CONST:
        args[0] = x;
        args[1] = (ad_value){e->u.constant, NULL, AD_NONE};
        return 2;
    case AD_KIND_CONST_Y:
        args[0] = (ad_value){e->u.constant, NULL, AD_NONE};
        args[1] = x;
        return 2;
    case AD_KIND_BINARY:
        args[0] = x;
        args[1] = (ad_value){tape->entries[e->u.y].value, NULL, e->u.y};
        return 2;
    case AD_KIND_NODE:
        if (ad_op_get(e->op)->n_args == 0)
            return -1;
        for (int k = 0; k < e->u.node->n_args; k++) {
            const ad_arg *a = &e->u.node->args[k];
            args[k] = (ad_value){a->scalar, a->array, a->entry};
        }
        return e->u.node->n_args;
    case AD_KIND_LEAF:
    case AD_KIND_FREED: return 0;
    }
    return 0;
}

ad_value ad_entry_result(const ad_entry *e, uint32_t index)
{
    ad_array *array = e->kind == AD_KIND_NODE ? e->u.node->result : NULL;
    return (ad_value){e->value, array, index};
}

/* Add a contribution to what waits for `entry`. Takes c's reference. */
static ad_status add_adjoint(run *r, uint32_t entry, ad_value *c)
{
    ad_workspace *ws = r->ws;
    ad_adjoint *slot = &ws->adjoint[entry];
    const bool is_set = ad_pending_has(&ws->pending, entry);
    const bool is_array = r->tape->entries[entry].flags & AD_FLAG_ARRAY;
    ad_value sum = {0.0, NULL, AD_NONE};
    if (is_set) {
        sum.scalar = is_array ? 0.0 : slot->scalar;
        sum.array = is_array ? slot->array : NULL;
        sum.entry = ws->entry != NULL ? ws->entry[entry] : AD_NONE;
    }
    ad_status status = ad_apply_accumulate(r->tape, &sum, is_set, c);
    if (status != AD_OK)
        return status;
    if (is_array)
        slot->array = sum.array;
    else
        slot->scalar = sum.scalar;
    if (ws->entry != NULL)
        ws->entry[entry] = sum.entry;
    ad_pending_add(&ws->pending, entry);
    return AD_OK;
}

static ad_value take_adjoint(run *r, uint32_t i)
{
    ad_workspace *ws = r->ws;
    ad_value g = {0.0, NULL, ws->entry != NULL ? ws->entry[i] : AD_NONE};
    if (r->tape->entries[i].flags & AD_FLAG_ARRAY) {
        g.array = ws->adjoint[i].array;
        ws->adjoint[i].array = NULL;
    } else {
        g.scalar = ws->adjoint[i].scalar;
        ws->adjoint[i].scalar = 0.0;
    }
    return g;
}

/* The first element that is NaN (or, if wanted, infinite); -1: none is. */
static int64_t find_bad(const ad_value *v, bool or_inf)
{
    if (v->array == NULL)
        return isnan(v->scalar) || (or_inf && isinf(v->scalar)) ? 0 : -1;
    const double *data = v->array->data;
    for (int64_t i = 0; data != NULL && i < v->array->size; i++)
        if (isnan(data[i]) || (or_inf && isinf(data[i])))
            return i;
    return -1;
}

/* Did entry i make a bad adjoint c of operand k out of a good adjoint g? */
static ad_status check_adjoint(run *r, uint32_t i, int k, const ad_value *g,
                               const ad_value *c)
{
    const bool or_inf = r->sweep->checks_inf;
    int64_t at;
    if (!r->sweep->checks_nan || find_bad(g, or_inf) >= 0 ||
        (at = find_bad(c, or_inf)) < 0)
        return AD_OK;
    ad_tape *tape = r->tape;
    tape->failed_entry = i;
    tape->failed_operand = k;
    tape->failed_element = at;
    tape->failed_adjoint = NAN;
    tape->failed_product = c->array != NULL ? c->array->data[at] : c->scalar;
    if (g->array == NULL)
        tape->failed_adjoint = g->scalar;
    else if (c->array != NULL && ad_array_same_shape(g->array, c->array))
        tape->failed_adjoint = g->array->data[at];
    return ad_fail(&tape->message, AD_NAN,
                   "'%s' returned nan values in the gradient of its %s operand",
                   ad_op_name(tape->entries[i].op),
                   k == 0   ? "1st"
                   : k == 1 ? "2nd"
                            : "3rd or later");
}

static ad_status sweep_custom(run *r, uint32_t i, const ad_node *node,
                              const ad_value *g)
{
    int n = node->n_args;
    const uint32_t n_before = r->tape->n;
    ad_value *x_bar = calloc((size_t)n + 1, sizeof *x_bar);
    bool *has = calloc((size_t)n + 1, sizeof *has);
    ad_status status = AD_NO_MEMORY;
    if (x_bar != NULL && has != NULL)
        status = r->sweep->on_custom(r->sweep->context, node, g, x_bar, has);
    for (int k = 0; k < n && x_bar != NULL && has != NULL; k++) {
        bool counts = status == AD_OK && has[k] && node->args[k].entry != AD_NONE;
        if (counts && (status = check_adjoint(r, i, k, g, &x_bar[k])) == AD_OK)
            status = add_adjoint(r, node->args[k].entry, &x_bar[k]);
        else if (has[k])
            ad_value_drop(&x_bar[k]);
    }
    free(x_bar);
    free(has);
    if (!r->sweep->creates_graph) /* what the function recorded is its own */
        ad_tape_trim_above(r->tape, n_before);
    return status;
}

static ad_status sweep_structural(run *r, uint32_t i, int op, const ad_node *node,
                                  const ad_value *z, const ad_value *g)
{
    if (op == AD_OP_CUSTOM)
        return sweep_custom(r, i, node, g);
    ad_status status = AD_OK;
    for (int k = 0; k < node->n_args && status == AD_OK; k++) {
        ad_value c;
        if (node->args[k].entry == AD_NONE)
            continue;
        status = ad_rule_adjoint(r->tape, op, node, k, z, g, &c);
        if (status != AD_OK)
            break;
        status = check_adjoint(r, i, k, g, &c);
        if (status == AD_OK)
            status = add_adjoint(r, node->args[k].entry, &c);
        else
            ad_value_drop(&c);
    }
    return status;
}

/* What waits for `entry` if a contribution of g's shape may be added in place. */
static ad_array *open_sum(const run *r, uint32_t entry, const ad_value *g)
{
    const ad_workspace *ws = r->ws;
    if (g->array == NULL || r->sweep->creates_graph || r->sweep->checks_nan ||
        !(r->tape->entries[entry].flags & AD_FLAG_ARRAY) ||
        !ad_pending_has(&ws->pending, entry))
        return NULL;
    ad_array *sum = ws->adjoint[entry].array;
    return ad_array_is_private(sum) && ad_array_same_shape(sum, g->array) ? sum : NULL;
}

static ad_status sweep_elementwise(run *r, uint32_t i, int op, int n_args,
                                   const ad_value *args, const ad_value *z,
                                   const ad_value *g)
{
    ad_status status = AD_OK;
    const bool is_strict = r->sweep->is_strict;
    int last = n_args - 1;
    while (args[last].entry == AD_NONE)
        last--;
    for (int k = 0; k <= last && status == AD_OK; k++) {
        ad_value full, c;
        if (args[k].entry == AD_NONE)
            continue;
        ad_array *sum = open_sum(r, args[k].entry, g);
        if (sum != NULL) {
            ad_apply_partial_add(op, k, n_args, args, z, g, is_strict, sum);
            continue;
        }
        const bool may_reuse = k == last && !r->sweep->checks_nan; /* g's memory */
        status = ad_apply_partial(r->tape, op, k, n_args, args, z, g, is_strict,
                                  may_reuse, &full);
        if (status != AD_OK)
            return status;
        status = check_adjoint(r, i, k, g, &full);
        if (status == AD_OK)
            status = ad_apply_sum_to(r->tape, &full, args[k].array, &c);
        ad_value_drop(&full);
        if (status == AD_OK)
            status = add_adjoint(r, args[k].entry, &c);
    }
    return status;
}

/* Was the scalar changed in place since? Then the tape remembers where. */
static bool is_stale_scalar(ad_tape *tape, uint32_t entry)
{
    if (!(tape->entries[entry].flags & AD_FLAG_STALE))
        return false;
    tape->changed_line = entry < tape->cap_lines ? tape->lines[entry].changed : 0;
    return true;
}

/* The same for an array, which had that version when it was saved. */
static bool is_stale_array(ad_tape *tape, const ad_array *a, int64_t version)
{
    if (a == NULL || a->buffer == NULL || a->buffer->version == version)
        return false;
    tape->changed_line = a->buffer->changed_line;
    return true;
}

ad_status ad_entry_check_saved(ad_tape *tape, uint32_t index)
{
    const ad_entry *e = &tape->entries[index];
    const ad_op_info *info = ad_op_get(e->op);
    ad_value args[AD_MAX_ARITY];
    if (e->kind >= AD_KIND_LEAF || (e->flags & AD_FLAG_INPLACE))
        return AD_OK;
    bool is_stale = false;
    int n_args = ad_entry_args(tape, e, args);
    uint8_t uses = 0;
    for (int k = 0; k < n_args; k++)
        if (args[k].entry != AD_NONE)
            uses |= info->uses[k];
    for (int k = 0; k < n_args; k++)
        if ((uses >> k & 1) && args[k].array == NULL && args[k].entry != AD_NONE)
            is_stale |= is_stale_scalar(tape, args[k].entry);
    if ((uses & AD_USES_Z) && !(e->flags & AD_FLAG_ARRAY))
        is_stale |= is_stale_scalar(tape, index);
    if (e->kind == AD_KIND_NODE) {
        const ad_node *node = e->u.node;
        for (int k = 0; k < node->n_args; k++)
            is_stale |=
                is_stale_array(tape, node->args[k].array, node->args[k].version);
        is_stale |= is_stale_array(tape, node->result, node->result_version);
    }
    if (!is_stale)
        return AD_OK;
    tape->failed_entry = index;
    return ad_fail(&tape->message, AD_STALE,
                   "one of the variables needed for gradient computation has been "
                   "modified by an inplace operation: a value that '%s' saved for its "
                   "gradient was changed after it was recorded; use an out-of-place "
                   "operation, or change a .clone()",
                   ad_op_name(e->op));
}

static ad_status sweep_entry(run *r, uint32_t i)
{
    ad_tape *tape = r->tape;
    ad_status status = AD_OK;
    ad_value g = take_adjoint(r, i);
    bool ends = i < r->sweep->floor ||
                (r->live != NULL && !ad_pending_has(&r->live->pending, i));
    if (!ends && (tape->entries[i].flags & AD_FLAG_WATCHED)) {
        ad_watch *watch;
        for (int n = 0; status == AD_OK && (watch = ad_watch_find(tape, i, n)) != NULL;
             n++)
            status = r->sweep->on_watch(r->sweep->context, watch->owner, &g, &ends);
    }
    if (ends) {
        ad_value_drop(&g);
        return status;
    }
    const ad_entry e = tape->entries[i]; /* a copy: recording may move the tape */
    const uint32_t n_before = tape->n;
    ad_value args[AD_MAX_ARITY];
    if (e.kind == AD_KIND_NODE)
        e.u.node->refs++; /* a user's function may sweep here and free it */
    if (status == AD_OK)
        status = ad_entry_check_saved(tape, i);
    if (status != AD_OK)
        ;
    else if (e.kind == AD_KIND_FREED)
        status = AD_FREED;
    else if (e.kind == AD_KIND_LEAF)
        status = r->sweep->on_leaf(r->sweep->context, e.u.leaf, &g);
    else {
        int n_args = ad_entry_args(tape, &e, args);
        ad_value z = ad_entry_result(&e, i);
        status = n_args < 0 ? sweep_structural(r, i, e.op, e.u.node, &z, &g)
                            : sweep_elementwise(r, i, e.op, n_args, args, &z, &g);
    }
    if (e.flags & AD_FLAG_INPLACE)
        ad_tape_excuse(tape, n_before);
    if (status == AD_OK && !r->sweep->keeps_graph && ad_entry_saves(&e))
        ad_entry_release(tape, &tape->entries[i]);
    if (e.kind == AD_KIND_NODE)
        ad_node_drop(tape, e.u.node);
    ad_value_drop(&g);
    return status;
}

/* ---- The sweep ---------------------------------------------------------------------------- */

/* Give up what still waits after a failure. */
static void drain(run *r)
{
    uint32_t i;
    while (ad_pending_pop_highest(&r->ws->pending, &r->word, &i)) {
        ad_value g = take_adjoint(r, i);
        ad_value_drop(&g);
    }
}

static ad_status sweep_all(run *r)
{
    const bool is_plain =
        !r->sweep->creates_graph && !r->sweep->checks_nan && r->live == NULL;
    int64_t n_slow = 0, next_poll = POLL_EVERY / 2;
    uint32_t i;
    for (;;) {
        bool more = is_plain ? sweep_scalars(r, &i)
                             : ad_pending_pop_highest(&r->ws->pending, &r->word, &i);
        if (!more || r->status != AD_OK)
            return r->status;
        r->n_visited++;
        ad_status status = sweep_entry(r, i);
        if (status == AD_OK && (r->n_visited > next_poll || ++n_slow % 64 == 0)) {
            status = r->sweep->poll(r->sweep->context);
            next_poll = r->n_visited + POLL_EVERY / 2;
        }
        if (status != AD_OK)
            return status;
    }
}

/* Mark what depends on the sweep's ends, up to `top`. NULL: no memory. */
static ad_workspace *mark_live(ad_tape *tape, const ad_sweep *sweep, uint32_t *top)
{
    for (int k = 0; k < sweep->n_ends; k++)
        *top = sweep->ends[k] > *top ? sweep->ends[k] : *top;
    ad_workspace *live = ad_workspace_take(tape, *top + 1, false);
    for (int k = 0; live != NULL && k < sweep->n_ends; k++)
        ad_pending_add(&live->pending, sweep->ends[k]);
    if (live != NULL)
        ad_mark_dependents(tape, sweep->floor, *top, &live->pending);
    return live;
}

static void give_live(ad_tape *tape, ad_workspace *live, uint32_t top)
{
    uint32_t word = top >> 6, i;
    while (ad_pending_pop_highest(&live->pending, &word, &i))
        ;
    ad_workspace_give(tape, live, top);
}

ad_status ad_sweep_reverse(ad_tape *tape, int n, const uint32_t *entries,
                           const ad_value *seeds, const ad_sweep *sweep)
{
    uint32_t top = 0;
    for (int k = 0; k < n; k++)
        top = entries[k] > top ? entries[k] : top;
    run r = {.tape = tape, .sweep = sweep, .word = top >> 6};
    r.ws = ad_workspace_take(tape, top + 1, sweep->creates_graph);
    if (r.ws == NULL)
        return AD_NO_MEMORY;
    uint32_t live_top = top;
    if (sweep->n_ends > 0 && (r.live = mark_live(tape, sweep, &live_top)) == NULL) {
        ad_workspace_give(tape, r.ws, 0);
        return AD_NO_MEMORY;
    }
    const bool was_recording = tape->is_recording, was_plain = tape->is_plain;
    tape->is_recording = sweep->creates_graph;
    tape->is_plain = sweep->creates_graph && was_plain;
    ad_tape_lock(tape);
    ad_status status = AD_OK;
    for (int k = 0; k < n && status == AD_OK; k++) {
        ad_value seed = seeds[k];
        if (seed.array != NULL)
            ad_array_keep(seed.array);
        status = add_adjoint(&r, entries[k], &seed);
    }
    if (status == AD_OK)
        status = sweep_all(&r);
    if (status != AD_OK)
        drain(&r);
    tape->is_recording = was_recording;
    tape->is_plain = was_plain;
    if (r.live != NULL)
        give_live(tape, r.live, live_top);
    ad_workspace_give(tape, r.ws, r.n_visited);
    ad_tape_unlock(tape);
    return status;
}
