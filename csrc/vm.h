/*
 * vm.h - runs programs, over one point or over a block of lanes.
 *
 * A program becomes code: steps on slots of one flat workspace. A slot is one double
 * for each lane, lanes side by side; a value of n elements has n slots side by side.
 *
 *      workspace, B lanes
 *     +-----------+-----------+-----------+-----
 *     | slot 0    | slot 1    | slot 2    |         element e of a value at slot s,
 *     | lane 0..B | lane 0..B | lane 0..B |         lane l:  ws[(s + e) * B + l]
 *     +-----------+-----------+-----------+-----
 *
 * Inputs come first, then constants, then what instructions make; slots of dead values
 * are used again. Reshapes, contiguous slices and elements of a value are the same
 * slots, and no step. One point is the case B = 1, for which scalar steps have an
 * interpreter of their own.
 *
 * Code never changes after it is made, so threads share it; each run has its own
 * workspace. Runs need no lock, but for a hook that may be called: for large products
 * (ad_code_needs_hook).
 *
 * Products of the sweep rule (GUARDED_MUL) run as plain products; where an output comes
 * out NaN, the caller runs that lane again with `is_guarded`.
 */
#ifndef AD_VM_H
#define AD_VM_H

#include "program.h"

typedef struct ad_code ad_code;

/* Code of a verified program, which it keeps. NULL: no memory. */
ad_code *ad_code_new(ad_program *p);
void ad_code_free(ad_code *code); /* NULL will do */

/* Say what computes the rows of linalg.h; once, before any run. */
void ad_code_set_linalg(ad_code *code, ad_linalg_hook hook);

/* The program that it runs. */
const ad_program *ad_code_program(const ad_code *code);

/* Doubles of a workspace for B lanes. It had best begin at a line of a cache. */
int64_t ad_code_workspace(const ad_code *code, int64_t n_lanes);

/* How many lanes keep the workspace well inside the second-level cache: a power of two
 * from 8 to 512. */
int64_t ad_code_best_lanes(const ad_code *code);

/* At one point: input k takes these elements, which stay as they are as long as anything
 * is run with them: large ones may be read where they are. */
void ad_code_load(const ad_code *code, double *ws, uint32_t k, const double *data);

/* Write the constants: once for each workspace. */
void ad_code_prepare(const ad_code *code, double *ws, int64_t n_lanes);

/* Where input k (of many lanes; of one: ad_code_load), output k and the value of guard k
 * stand: a slot; their size is that of the program's value. An output may be an input, a constant or another output. */
int64_t ad_code_input(const ad_code *code, uint32_t k);
int64_t ad_code_output(const ad_code *code, uint32_t k);
int64_t ad_code_guard(const ad_code *code, uint32_t k);

/*
 * Run all steps; inputs stand in the workspace, outputs will. The first n_used lanes
 * count, the rest may hold anything (steps may compute on them). hook may be NULL.
 */
ad_status ad_code_run(const ad_code *code, double *ws, int64_t n_lanes, int64_t n_used,
                      bool is_guarded, ad_matmul_hook hook, ad_message *message);

/* May a run call the hook, so that it needs what the hook needs? */
bool ad_code_needs_hook(const ad_code *code);

/* Is there any GUARDED_MUL that may run as a plain product? If
 * not, is_guarded changes nothing. */
bool ad_code_has_guarded(const ad_code *code);

#endif
