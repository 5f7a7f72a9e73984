/*
 * tape.h - the growing record of what was computed, and who still needs it.
 *
 * One tape per thread. An operation with an active operand appends one entry of
 * 24 bytes; operands always have lower indices than results.
 *
 *      0        8        16       20    22   23   24
 *     +--------+--------+--------+-----+----+-----+
 *     | value  |   u    |   x    | op  |kind|flags|
 *     +--------+--------+--------+-----+----+-----+
 *
 *     kind        x         u               means
 *     UNARY       operand   -               z = op(x)
 *     X_CONST     operand   constant        z = op(x, c), c passive
 *     CONST_Y     operand   constant        z = op(c, y), y is entry x
 *     BINARY      operand   y (an index)    z = op(x, y)
 *     NODE        -         ad_node*        arrays, three operands, structure
 *     LEAF        -         ad_leaf*        value of a leaf at one moment
 *     FREED       -         -               swept without retain_graph
 *
 * Invariants:
 *   - memory follows what live handles can reach. Handles hang on a list that is
 *     sorted by entry, so everything above the last handle is dead and is
 *     trimmed at once; what is dead further down goes when ad_tape_make_room
 *     marks and compacts (collect.c).
 *   - only ad_tape_make_room, ad_tape_collect_* and handle death move or drop
 *     entries; between two of those an index stays good.
 *   - leaves do not pin: a LEAF entry refers to its leaf, never the reverse but
 *     for a cache that is kept right when entries move.
 * A tape belongs to one thread; its calls need the interpreter's lock.
 */
#ifndef AD_TAPE_H
#define AD_TAPE_H

#include <stddef.h>

#include "array.h"
#include "op.h"

#define AD_NONE UINT32_MAX        /* no entry: a passive value */
#define AD_SWEPT (UINT32_MAX - 1) /* its entry was swept and given back */
#define AD_MAX_ENTRIES (UINT32_MAX - 1000)

enum {
    AD_FLAG_ARRAY = 1,   /* the result is an array */
    AD_FLAG_STALE = 2,   /* its value was changed in place after recording */
    AD_FLAG_INPLACE = 4, /* it is itself that change: may read a stale operand */
    AD_FLAG_WATCHED = 8, /* a hook, a retained gradient or a capture */
    AD_FLAG_OPERAND = 16, /* see ad_tape_is_operand */
};

typedef struct ad_node ad_node;
typedef struct ad_tape ad_tape;
typedef struct ad_handle ad_handle;

/* What a leaf tensor and its LEAF entries share. */
typedef struct ad_leaf {
    int32_t refs;
    ad_handle *handle; /* of the tensor; NULL once that is gone */
    void *owner;       /* the tensor, borrowed; or, after it, `hooks` owned */
} ad_leaf;

typedef struct ad_entry {
    double value;
    union {
        double constant;
        uint32_t y;
        ad_node *node;
        ad_leaf *leaf;
    } u;
    uint32_t x;
    uint16_t op;
    uint8_t kind;
    uint8_t flags;
} ad_entry;

_Static_assert(sizeof(ad_entry) == 24, "an operation costs 24 bytes");

/* An operand or a result on its way: a scalar (array NULL) or an array, and the
 * entry that made it, AD_NONE when it is passive. */
typedef struct ad_value {
    double scalar;
    ad_array *array;
    uint32_t entry;
} ad_value;

/* How a structural operation is meant; which fields count depends on the op. */
typedef struct ad_attr {
    int64_t offset;          /* STRIDED, STRIDED_ADD */
    const int64_t *strides;  /* STRIDED(_ADD), REDUCE_MAX: one for each axis walked */
    struct ad_index *index;  /* GATHER, GATHER_ADD, PUT */
    const ad_array *shape;   /* ghost: shape of the result, where it is free */
    ad_array *aux;           /* REDUCE_MAX: each element's share of the maximum */
    void *object;            /* CUSTOM: owned by the node, see ad_hooks_table */
    struct ad_scan *scan;    /* SCAN: see scan.h */
    struct ad_call *call;    /* CALL: see call.h */
    int32_t axis;            /* CAT, CUMSUM */
    bool reverse;            /* CUMSUM: from the end; REDUCE_MAX: minimum */
    bool is_lenient;         /* SOLVE: NaN, not an error, where x is singular */
    bool trans_x, trans_y;   /* MATMUL; trans_x: SOLVE, LSTSQ */
} ad_attr;

typedef struct ad_index {
    int64_t refs;
    int64_t size;
    int64_t at[];
} ad_index;

ad_index *ad_index_new(int64_t size);
void ad_index_drop(ad_index *index);

typedef struct ad_arg {
    uint32_t entry;
    int64_t version; /* of the buffer when it was saved */
    double scalar;
    ad_array *array; /* NULL: a scalar; a ghost where no rule reads it */
} ad_arg;

/* An operation that does not fit an entry. */
struct ad_node {
    ad_attr attr;
    ad_array *result; /* as ad_arg.array */
    int64_t result_version;
    int64_t bytes;    /* of elements it keeps alive */
    int32_t n_args;
    int32_t refs; /* the entry's, and of a sweep that is at it */
    ad_arg args[];
};

/* Lies inside each tensor. On the tape's list exactly while `entry` is an entry
 * and the tensor is not a leaf. */
struct ad_handle {
    ad_handle *prev, *next;
    ad_tape *tape;
    uint32_t entry;
    uint32_t flags; /* low half: the upper layer's; high half: opcode once SWEPT */
};

/* The upper layer's matrix product for large operands, c (m, n) = a (m, k) @ b (k, n),
 * each in C order; one that is transposed lies in memory as (k, m) or (n, k). Returns
 * false to decline. */
typedef bool (*ad_matmul_hook)(int64_t m, int64_t n, int64_t k, const double *a,
                               bool trans_a, const double *b, bool trans_b, double *c);

/* Where operations go instead of the tape's entries: see builder.h. The contract is
 * ad_apply's. */
typedef ad_status (*ad_redirect)(ad_tape *tape, int op, int n_args,
                                 const ad_value *args, const ad_attr *attr,
                                 ad_value *out);

/* The value of a SCAN, which takes a layer above this one to compute. */
typedef ad_status (*ad_scan_hook)(ad_tape *tape, int n_args, const ad_value *args,
                                  const ad_attr *attr, ad_value *out);

/* The upper layer's LAPACK: fill z, of the right shape, with op(args); see linalg.h.
 * Takes the interpreter's lock itself. */
typedef ad_status (*ad_linalg_hook)(int op, int n_args, const ad_span *args,
                                    const ad_attr *attr, const ad_span *z,
                                    ad_message *message);

/* Something that wants to see the gradient of an entry. */
typedef struct ad_watch {
    uint32_t entry;
    bool is_owned; /* the tape keeps `owner` alive: its tensor has gone */
    void *owner;
} ad_watch;

/* Where an entry was recorded, and where its value was changed later: the upper
 * layer's ids of lines; 0: not known. */
typedef struct ad_line {
    uint32_t recorded, changed;
} ad_line;

struct ad_tape {
    ad_entry *entries;
    uint32_t n;
    uint32_t limit;      /* make room when n reaches it */
    uint32_t cap;
    bool is_recording;   /* grad mode */
    bool is_plain;       /* recording, no lines wanted: the short way may be taken */
    bool defers_leaves;  /* upper layer: .grad waits for the end of a sweep */
    bool wants_lines;    /* detect_anomaly */
    bool checks_nan;     /* with it: sweeps are to fail at a NaN */
    bool is_orphan;      /* its thread is gone; the last handle frees it */
    int32_t n_locks;     /* > 0: nothing may move or be trimmed */
    int32_t n_transforms;    /* functions being transformed, one inside another */
    uint64_t n_leaf_entries; /* made so far */
    bool has_stale;      /* there may be STALE entries */
    uint32_t last_owner; /* above this index no NODE or LEAF, nothing to release */
    ad_handle handles;   /* ring of handles, sorted by entry */
    ad_handle pins;      /* ring of grad_fn objects, in any order */
    ad_watch *watches;   /* sorted by entry */
    int32_t n_watches, cap_watches;
    /* collection, see collect.c */
    uint32_t old_n;      /* entries below have survived a collection */
    uint32_t nursery;    /* entries above old_n at which to collect them */
    uint64_t pushed;     /* entries collected since the last full collection */
    uint32_t first_node; /* no NODE below */
    int64_t node_bytes;  /* elements kept alive by nodes */
    int64_t credit;      /* entries that array work has paid to scan */
    uint64_t n_collections;
    uint32_t n_scanned; /* entries below have marked their operands */
    ad_line *lines;      /* for each entry, once lines were wanted */
    uint32_t cap_lines;
    struct ad_workspace *workspace; /* of the reverse sweep, kept for the next */
    ad_message message;
    uint32_t failed_entry; /* where a sweep stopped; AD_NONE: nowhere in particular */
    uint32_t changed_line; /* of the value that it missed there */
    /* Where checks for NaN stopped it: the operand whose adjoint was bad, at which
     * element, the adjoint that came in there (NaN: not known) and what was made. */
    int32_t failed_operand;
    int64_t failed_element;
    double failed_adjoint, failed_product;
    void **trash;        /* objects to drop once nothing is locked */
    int32_t n_trash, cap_trash;
    void (*object_drop)(void *object); /* upper layer: give up CUSTOM, watches */
    uint32_t (*line_id)(void);         /* upper layer: where the user's code is */
    ad_scan_hook scan; /* ad_scan_value of scan_value.h; may be NULL */
    ad_matmul_hook matmul; /* upper layer: large products; may be NULL */
    ad_linalg_hook linalg; /* upper layer: decompositions; may be NULL */
    /* Upper layer: ad_rule_tangent of a CUSTOM node; may be NULL. */
    ad_status (*custom_tangent)(ad_tape *tape, const ad_node *node,
                                const ad_value *x_dot, const bool *is_active,
                                ad_value *out);
    void *upper; /* the upper layer's own data */
    ad_redirect redirect; /* a program under construction; or NULL */
    void *builder; /* that program, see builder.h */
};

ad_tape *ad_tape_new(void);

/* The thread is gone. Frees now, or when the last handle dies. */
void ad_tape_abandon(ad_tape *tape);

/* Room for one more operation; may collect, so indices read before are void. */
ad_status ad_tape_make_room(ad_tape *tape);

/* Append an entry without collecting. *index is the new one. */
ad_status ad_tape_push(ad_tape *tape, const ad_entry *entry, uint32_t *index);

/* Between lock and unlock entries stay where they are. Dropping a user's object
 * can run any code, so objects released meanwhile wait for the last unlock. */
void ad_tape_lock(ad_tape *tape);
void ad_tape_unlock(ad_tape *tape);
void ad_tape_discard(ad_tape *tape, void *object);

/* The leaf's entry on this tape, recorded now if there is none yet. */
ad_status ad_tape_leaf_entry(ad_tape *tape, ad_leaf *leaf, double value, bool is_array,
                             uint32_t *index);
void ad_leaf_drop(ad_tape *tape, ad_leaf *leaf);

/* The leaf was changed in place: its entry, if any, no longer has its value. */
void ad_leaf_changed(ad_leaf *leaf);

/* What was recorded from entry `from` on reads what a change in place did read, and
 * may: an entry keeps the value that it had. */
static inline void ad_tape_excuse(ad_tape *tape, uint32_t from)
{
    for (uint32_t i = from; i < tape->n; i++)
        if (!(tape->entries[i].flags & AD_FLAG_ARRAY))
            tape->entries[i].flags |= AD_FLAG_INPLACE;
}

/* The value of an entry was changed in place: rules that read it must fail. */
static inline void ad_tape_mark_stale(ad_tape *tape, uint32_t entry)
{
    if (tape->redirect != NULL)
        return; /* a program has no entries; a value of it never changes */
    tape->entries[entry].flags |= AD_FLAG_STALE;
    tape->has_stale = true;
    if (entry < tape->cap_lines)
        tape->lines[entry].changed = tape->wants_lines ? tape->line_id() : 0;
}

/* The same for an array; sweeps will tell by its version. */
static inline void ad_array_changed(const ad_tape *tape, ad_array *a)
{
    a->buffer->version++;
    a->buffer->changed_line = tape->wants_lines ? tape->line_id() : 0;
}

/* Give up what an entry owns; it becomes FREED. */
void ad_entry_release(ad_tape *tape, ad_entry *entry);
void ad_node_drop(ad_tape *tape, ad_node *node);

/* Does sweeping through this entry read any value (so that it cannot be swept
 * again after its values were freed)? */
bool ad_entry_saves(const ad_entry *entry);

/* ---- Handles ----------------------------------------------------------------- */

/* Hang h on the list for an entry above all others that have a handle. */
static inline void ad_handle_link(ad_tape *tape, ad_handle *h, uint32_t entry)
{
    ad_handle *ring = &tape->handles, *last = ring->prev;
    h->tape = tape;
    h->entry = entry;
    h->prev = last;
    h->next = ring;
    last->next = h;
    ring->prev = h;
}

/* The same for an entry that need not be the newest. */
void ad_handle_insert(ad_tape *tape, ad_handle *h, uint32_t entry);

static inline void ad_handle_unlink(ad_handle *h)
{
    h->prev->next = h->next;
    h->next->prev = h->prev;
}

/* Drop everything above the last handle and pin. */
void ad_tape_trim(ad_tape *tape);
/* The same from `floor` on only, also under a lock whose owner knows nothing there. */
void ad_tape_trim_above(ad_tape *tape, uint32_t floor);

/* Mark what handles and pins reach among entries from `from` on, drop the rest,
 * close the gaps. Costs the entries above `from`, whatever lies below. */
ad_status ad_tape_collect(ad_tape *tape, uint32_t from);

/* Does an entry, dead or alive, refer to this one? What is dead counts until the next
 * collection. Looks at each entry once. */
bool ad_tape_is_operand(ad_tape *tape, uint32_t entry);

/* After a handle died further down: give back large arrays it may have held. */
void ad_tape_collect_arrays(ad_tape *tape);

enum { AD_SMALL_BYTES = 1 << 20 }; /* arrays kept below this wait for a collection */

/* The tensor is gone, or left its entry for another. */
static inline void ad_handle_release(ad_handle *h)
{
    ad_tape *tape = h->tape;
    bool was_last = h->next == &tape->handles;
    ad_handle_unlink(h);
    h->entry = AD_NONE;
    if (was_last)
        ad_tape_trim(tape);
    else if (tape->node_bytes > AD_SMALL_BYTES)
        ad_tape_collect_arrays(tape);
}

/* A pin keeps an entry reachable that no tensor holds (grad_fn). */
void ad_pin_link(ad_tape *tape, ad_handle *pin, uint32_t entry);
void ad_pin_release(ad_handle *pin);

/* ---- Watches ------------------------------------------------------------------ */

ad_status ad_watch_add(ad_tape *tape, uint32_t entry, void *owner);
void ad_watch_remove(ad_tape *tape, void *owner); /* what it owns stays alive */

/* The tape takes over the reference to `owner`; false if it does not watch. */
bool ad_watch_own(ad_tape *tape, void *owner);
ad_watch *ad_watch_find(ad_tape *tape, uint32_t entry, int nth);

#endif
