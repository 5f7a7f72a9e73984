/*
 * vm_code.h - what a program becomes, for vm_*.c only.
 *
 *     steps   scalar rows, each on slots                    z = op(x, y, w)
 *       |     one for each array operation:                 JOB, x = index of
 *       v                                                     |
 *     jobs    a function and what it needs  <-----------------+
 *       |     structural: slots of the operands, the instruction
 *       v     elementwise, shapes differ:   likewise
 *     loops   elementwise, all of n elements or scalar: steps done block by block
 *
 * A loop is a run of array instructions over n elements each. Its steps go over one
 * block of elements after another; a value that nothing outside reads lives in a buffer
 * of one block, never as an array. An operand of a loop's step is
 *
 *     a slot                     element i of the block at slot + i
 *     AD_IN_BUFFER | k           buffer k: such a value, or a scalar spread over a block
 *
 * Each step has two opcodes: the usual one, and the guarded, which differ where a
 * guarded product may run as a plain one.
 *
 * Invariants: slots of operands and result of a step never overlap, save at one point
 * for scalar rows; nothing writes slots of inputs and constants; code is not changed
 * after ad_code_new.
 */
#ifndef AD_VM_CODE_H
#define AD_VM_CODE_H

#include <string.h>

#include "builder.h"
#include "kernel.h"
#include "vm.h"

/* Opcodes that only steps have; below are the rows of ops.def. */
enum {
    AD_N_ROWS = AD_OP_RESHAPE,
    AD_STEP_BEFORE_PAIRS = AD_N_ROWS - 1,
#define PAIR(id, ...) AD_STEP_##id,
#include "pairs.def"
#undef PAIR
    AD_STEP_JOB,
    AD_STEP_END,
    AD_STEP_SUM,  /* in loops: z = sum over elements of x; w is which sum */
    AD_STEP_COPY, /* in loops: z = x */
    AD_STEP_PAD,  /* in loops: z = x at its elements y to y + w, 0 elsewhere */
};

/* Where the operand of a loop's step is not a slot. */
#define AD_IN_BUFFER (UINT32_C(1) << 31)

typedef struct ad_loop {
    int64_t n; /* elements */
    uint32_t first, n_steps;          /* in loop_steps */
    uint32_t first_spread, n_spreads; /* slots in `slots`; spread k is in buffer k */
    uint32_t n_buffers, n_sums;
} ad_loop;

/* At one point a large input or constant that only loops and scans read is read where its
 * elements are, wherever that is: its slots stay empty, and one more slot says where. */
typedef struct ad_outside {
    uint32_t slot, pointer; /* its first slot; the slot that holds the address */
    int64_t size;
} ad_outside;

/* One run under way. Lanes are the workspace's; the first n_used count. */
typedef struct ad_run {
    const ad_code *code;
    double *ws, *scratch;
    int64_t n_lanes, n_used;
    int mode; /* AD_FAST or AD_GUARDED */
    ad_matmul_hook hook;
    ad_message *message;
} ad_run;

typedef struct ad_job ad_job;
struct ad_job {
    ad_status (*run)(const ad_run *run, const ad_job *job);
    uint32_t instr; /* of the program; of a loop: which one */
    uint32_t body;  /* of a scan: which of the code's bodies */
    uint32_t args;  /* where in `slots` the operands' slots are; a broadcast has
                       both opcodes after them */
    uint32_t z;
};

struct ad_code {
    ad_program *program;
    int64_t n_slots;
    ad_step *steps;                  /* the last is AD_STEP_END */
    ad_job *jobs;
    ad_loop *loops;
    ad_step *loop_steps;
    uint32_t *slots;
    uint32_t *inputs, *outputs, *guards; /* slots */
    ad_code **bodies;                /* of scans */
    uint32_t n_bodies;
    uint32_t *consts;                    /* pairs: an instruction, its slot */
    ad_outside *outside;                 /* by slot */
    uint32_t n_outside, outside_end;     /* the last one's end */
    uint32_t n_steps, n_jobs, n_loops, n_loop_steps, n_pooled, n_consts;
    /* Scratch, for the most demanding job: elements of each lane, and doubles */
    int64_t scratch_elements, scratch_doubles;
    ad_linalg_hook linalg; /* NULL: none is at hand */
    bool has_guarded, needs_hook;
};

/* Where the values of a slot of an operand stand. */
static inline double *ad_vm_at(const ad_run *run, uint32_t slot)
{
    const ad_code *code = run->code;
    for (uint32_t k = 0;
         run->n_lanes == 1 && slot < code->outside_end && code->outside[k].slot <= slot;
         k++) {
        const ad_outside *o = &code->outside[k];
        if (slot - o->slot >= o->size)
            continue;
        double *at;
        memcpy(&at, &run->ws[o->pointer], sizeof at);
        return at + (slot - o->slot);
    }
    return run->ws + slot * run->n_lanes;
}

/* ---- Jobs ---------------------------------------------------------------------- */

/* Scratch of a loop or a broadcast: elements that each lane needs. */
int64_t ad_loop_scratch(int64_t n, int64_t n_buffers, int64_t n_sums);

ad_status ad_vm_loop(const ad_run *run, const ad_job *job);
ad_status ad_vm_broadcast(const ad_run *run, const ad_job *job);
ad_status ad_vm_structural(const ad_run *run, const ad_job *job);
ad_status ad_vm_pack(const ad_run *run, const ad_job *job);

/* Doubles that a structural instruction may need to be run lane by lane. */
int64_t ad_vm_structural_scratch(const ad_program *p, uint32_t i);
bool ad_vm_structural_needs_hook(const ad_program *p, uint32_t i);

/* ---- All steps ------------------------------------------------------------------ */

ad_status ad_vm_point(const ad_run *run);
ad_status ad_vm_lanes(const ad_run *run);

/* ---- Making code ---------------------------------------------------------------- */

/* Slots, as they are taken and given back; vm_slots.c. */
typedef struct ad_slots ad_slots;

ad_slots *ad_slots_new(uint32_t n_sizes); /* at most that many sizes */
void ad_slots_free(ad_slots *s);

typedef struct ad_room {
    uint32_t slot, room; /* how many slots, at least those asked for */
} ad_room;

/* Room for `size` elements. False: no memory, or no more slots. */
bool ad_slots_take(ad_slots *s, int64_t size, ad_room *taken);
bool ad_slots_give(ad_slots *s, ad_room given);
int64_t ad_slots_end(const ad_slots *s); /* slots so far */

/* A program with p's inputs, outputs and guards, of what `fill` puts into a builder: the
 * values of p, as ad_program_replay would. NULL: no memory. vm_rebuild.c. */
typedef ad_status (*ad_vm_fill)(ad_builder *b, const ad_program *p,
                                const ad_value *inputs, ad_value *values,
                                void *context);
ad_program *ad_vm_rebuild(const ad_program *p, ad_vm_fill fill, void *context);

/* The program without CALLs, of which only the value is run, and what only they read;
 * new reference, p itself where it has none. NULL: no memory. vm_lower.c. */
ad_program *ad_vm_lower(ad_program *p);

/* The program with loops over the same rows made one; new reference, p itself where there
 * are none. NULL: no memory. vm_merge.c. */
ad_program *ad_vm_merge(ad_program *p);

/* The program with loops over rows of numbers made array instructions; new reference, p
 * itself where there are none. NULL: no memory. vm_widen.c. */
ad_program *ad_vm_widen(ad_program *p);

/* What is worked out about a program before its code is made; vm_plan.c and
 * vm_pair.c. */
enum { AD_LOOP_LEAST = 1024 }; /* elements of instructions that share a loop */

typedef struct ad_pair {
    uint16_t op[2]; /* as of a step */
    uint32_t args[3];
} ad_pair;

typedef struct ad_plan {
    const ad_program *program;
    uint32_t *base; /* of each value: the value on whose slots it stands, ... */
    uint32_t *shift; /* ... from this element on */
    uint32_t *pair; /* of a sum that is one step with its product; else AD_NONE */
    ad_pair *pairs;
    uint32_t n_pairs;
    uint32_t *readers; /* of each value: how many steps and outputs read it */
    bool *has_no_step; /* of each value: nothing to do, or another's step does it */
    uint32_t *order; /* instructions that become steps, in the order of steps */
    uint32_t n_order;
    uint32_t *loops; /* pairs: where in the order a loop begins, and ends */
    uint32_t n_loops;
    bool *is_guarded; /* of each value: a NaN in it may be absorbed */
} ad_plan;

/* Operands of an instruction's step; returns how many. */
static inline int ad_plan_args(const ad_plan *plan, uint32_t i, const uint32_t **args)
{
    if (plan->pair[i] != AD_NONE) {
        *args = plan->pairs[plan->pair[i]].args;
        return 3;
    }
    *args = ad_instr_args(plan->program, &plan->program->instr[i]);
    return plan->program->instr[i].n_args;
}

/* What of: a whole program; a loop's body; one whose results may not be NaN where they
 * need not be, because something depends on it. */
typedef enum ad_plan_kind {
    AD_PLAN_WHOLE,
    AD_PLAN_BODY,
    AD_PLAN_GUARDED_BODY,
} ad_plan_kind;

bool ad_plan_make(ad_plan *plan, const ad_program *p, ad_plan_kind kind);
void ad_plan_drop(ad_plan *plan);

/* Find pairs of scalars and short arrays; the plan has bases and is_guarded. */
bool ad_plan_pair(ad_plan *plan);

/* Find pairs among the members of a loop, those for which `made` is not 0; leaves the
 * members that have a step, and returns how many. */
uint32_t ad_plan_pair_members(ad_plan *plan, uint32_t n, uint32_t *members,
                              const uint8_t *made);

/* How an instruction may be run. */
typedef enum ad_shape_class {
    AD_SCALAR, /* a row, one element everywhere */
    AD_LINEAR, /* a row, of n elements and scalars */
    AD_BROADCAST, /* a row, any shapes */
    AD_SPREAD, /* STRIDED: a scalar everywhere */
    AD_TOTAL, /* STRIDED_ADD: all elements into one */
    AD_PAD, /* STRIDED_ADD: x as it lies, somewhere among zeros */
    AD_STRUCTURAL, /* the rest */
} ad_shape_class;

ad_shape_class ad_plan_class(const ad_program *p, uint32_t i);

/* Elements that instruction i makes or adds up one by one, of an array so small that a
 * step for each costs less than a loop; 0: it is one step. */
enum { AD_SMALL = 4 };
uint32_t ad_plan_small(const ad_program *p, uint32_t i);

/* Elements of the loop whose first member is i. */
int64_t ad_plan_loop_length(const ad_program *p, uint32_t i);

/* Is it an input or a constant that had better be read where it is? */
bool ad_plan_is_large(const ad_program *p, uint32_t i);

/* Which of these can be, of all values; vm_outside.c. */
void ad_plan_outside(const ad_plan *plan, bool *is_outside);

#endif
