/*
 * program.h - a computation as data: frozen, verified once, then run unchecked.
 *
 * A program is a list of instructions in static single assignment: instruction i
 * makes value i, and reads values below i only.
 *
 *      op      args                 shape       extra            number
 *     +-------+--------------------+-----------+----------------+---------+
 *     | MUL   | 3, 7               | 0 (): a   | -              | -       |
 *     | CAT   | where in operands[]|   scalar  | the axis       | -       |
 *     | CONST | -                  | 2: (3, 4) | its elements   | -       |
 *     | CONST | -                  | 0         | -              | 0.5     |
 *     | INPUT | which input        | 1: (10,)  | -              | -       |
 *     +-------+--------------------+-----------+----------------+---------+
 *
 * Operations are the rows of ops.def and structural.def, and a few of the latter
 * that only programs have: INPUT, CONST, STOP (no derivative passes), and those
 * that run another program, the body, for each row or pass (see ad_extra.body).
 *
 * A guard says which value a choice of the recorded function hung on, and how it
 * came out; where a guard comes out otherwise the program is not the function.
 *
 * Invariants: those of ad_program_verify, which every program has passed before
 * anything runs it. Programs never change once finished, and may be shared by
 * threads; the reference count is the holder's of the interpreter's lock.
 */
#ifndef AD_PROGRAM_H
#define AD_PROGRAM_H

#include "tape.h"

typedef struct ad_program ad_program;

typedef struct ad_instr {
    uint16_t op;
    int32_t n_args;
    uint32_t args[3]; /* more than three: args[0] says where in `operands` */
    uint32_t shape;   /* index in `shapes`; 0: a scalar */
    uint32_t extra;   /* index in `extras`, or AD_NONE */
    uint32_t line;    /* the upper layer's id of the user's line, or 0 */
    double number;    /* of a scalar CONST */
} ad_instr;

/* What an instruction needs beside operands. Everything is owned. */
typedef struct ad_extra {
    ad_attr attr;     /* of a structural operation; `shape` is the instruction's */
    int n_strides;    /* how many attr.strides there are */
    ad_array *value;  /* of an array CONST */
} ad_extra;

typedef struct ad_guard {
    uint32_t value;  /* a scalar ... */
    uint32_t line;   /* of the choice */
    double outcome;  /* ... that must be equal to this */
} ad_guard;

struct ad_program {
    int64_t refs;
    uint32_t n, n_operands, n_shapes, n_extras;
    uint32_t n_inputs, n_outputs, n_guards;
    ad_instr *instr;
    uint32_t *operands;
    ad_array **shapes; /* ghosts; shapes[0] is NULL: () */
    ad_extra *extras;
    uint32_t *outputs; /* values; one may stand here more than once */
    ad_guard *guards;  /* in the order in which the function chose */
};

static inline ad_program *ad_program_keep(ad_program *p)
{
    p->refs++;
    return p;
}

void ad_program_drop(ad_program *p); /* NULL will do */

/* Operands of an instruction. */
static inline const uint32_t *ad_instr_args(const ad_program *p, const ad_instr *i)
{
    return i->n_args > 3 ? p->operands + i->args[0] : i->args;
}

/* Shape of value i: a ghost, or NULL for a scalar. */
static inline ad_array *ad_program_shape(const ad_program *p, uint32_t i)
{
    return p->shapes[p->instr[i].shape];
}

static inline int64_t ad_program_size(const ad_program *p, uint32_t i)
{
    const ad_array *shape = ad_program_shape(p, i);
    return shape != NULL ? shape->size : 1;
}

/* Attributes of an instruction, with attr.shape set; zeros where it has none. */
ad_attr ad_program_attr(const ad_program *p, uint32_t i);

/*
 * Apply the instructions one after another, on whatever the tape stands for: numbers
 * (and a graph, if it records and inputs are active), or a program under construction.
 * inputs: p's, borrowed. values: room for p->n, new references, also on failure.
 */
ad_status ad_program_replay(ad_tape *tape, const ad_program *p, const ad_value *inputs,
                            ad_value *values);

/* The same for instruction i alone; values of its operands are there. */
ad_status ad_program_replay_one(ad_tape *tape, const ad_program *p, uint32_t i,
                                const ad_value *inputs, ad_value *values);

/*
 * Is this a program? Checked: input k is instruction k; opcodes exist and have
 * their number of operands; operands lie below; shapes follow from operands and
 * attributes; strides and indices stay inside their operand; constants have their
 * elements; outputs and guards name values, guards scalars. On failure the
 * sentence in `message` names the instruction.
 */
ad_status ad_program_verify(const ad_program *p, ad_message *message);

#endif
