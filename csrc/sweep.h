/*
 * sweep.h - reverse and tangent sweeps over a tape.
 *
 * A sweep visits only the entries it reaches, highest first for adjoints: the
 * reached ones wait in a bitmap with a summary level, so gaps cost nothing. The
 * sweep rule: a zero adjoint contributes nothing, an exactly zero partial
 * contributes nothing (is_strict gives IEEE products).
 */
#ifndef AD_SWEEP_H
#define AD_SWEEP_H

#include "tape.h"

typedef struct ad_sweep {
    bool keeps_graph;   /* retain_graph */
    bool creates_graph; /* the sweep is recorded */
    bool is_strict;     /* plain IEEE products */
    bool checks_nan;    /* fail at the first NaN that an operation makes */
    bool checks_inf;    /* with it: or at the first infinity */
    uint32_t floor;     /* entries below it are left alone */
    int n_ends;         /* > 0: so is what does not depend on these entries, none */
    const uint32_t *ends; /* of which lies below the floor */
    void *context;      /* handed to the functions below */
    /* A leaf's adjoint from one LEAF entry; to be accumulated. */
    ad_status (*on_leaf)(void *context, ad_leaf *leaf, const ad_value *adjoint);
    /* A watched entry's adjoint, complete; may be replaced (new reference). With
     * *ends true the sweep goes no further there. */
    ad_status (*on_watch)(void *context, void *owner, ad_value *adjoint, bool *ends);
    /* Adjoints of a CUSTOM node's operands; has_adjoint[k] false for none. */
    ad_status (*on_custom)(void *context, const ad_node *node, const ad_value *z_bar,
                           ad_value *x_bar, bool *has_adjoint);
    /* Now and then in long sweeps: a chance to be interrupted. */
    ad_status (*poll)(void *context);
} ad_sweep;

/*
 * Sweep from entries[0..n) with adjoints seeds[0..n), whose shapes are those of
 * the entries. On failure nothing is left pending and the tape is usable.
 */
ad_status ad_sweep_reverse(ad_tape *tape, int n, const uint32_t *entries,
                           const ad_value *seeds, const ad_sweep *sweep);

/*
 * Tangents of entries outputs[0..n_out) for tangents seeds of inputs[0..n_in),
 * in one pass from below. out[j].array is a new reference; is_reached[j] is false
 * where no input leads to the output. Recorded when the tape records.
 */
ad_status ad_sweep_tangent(ad_tape *tape, int n_in, const uint32_t *inputs,
                           const ad_value *seeds, int n_out, const uint32_t *outputs,
                           bool is_strict, ad_value *out, bool *is_reached);

/* The operands of an entry as values; returns their number, at most 3, or -1 for
 * a node with structure (its args say the rest). */
int ad_entry_args(const ad_tape *tape, const ad_entry *entry, ad_value *args);
ad_value ad_entry_result(const ad_entry *entry, uint32_t index);

/* AD_STALE, with a sentence, if a value that the entry's rules read was changed
 * in place since. */
ad_status ad_entry_check_saved(ad_tape *tape, uint32_t index);

#endif
