# Every C declaration that the Cython layer uses, and nothing else.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from cpython.object cimport PyObject

cdef extern from "<stdbool.h>":
    ctypedef bint c_bool "bool"

cdef extern from "status.h":
    ctypedef enum ad_status:
        AD_OK
        AD_NO_MEMORY
        AD_SHAPE
        AD_FREED
        AD_THREAD
        AD_CALLBACK
        AD_NO_TANGENT
        AD_NAN
        AD_LINALG
        AD_ESCAPED
    const char *ad_status_exception(ad_status status) nogil
    const char *ad_status_text(ad_status status) nogil
    ctypedef struct ad_message:
        char text[512]

cdef extern from "op.h":
    ctypedef struct ad_op_info:
        const char *id
        const char *names
        int n_args
        const char *value_text
        const char *partial_text[3]
        const char *domain
        const char *synopsis
        int smoothness
        double ulp
        double ulp_partial
        uint8_t uses[3]
    int AD_OP_ADD, AD_OP_MUL, AD_OP_NE, AD_OP_RESHAPE, AD_OP_STRIDED, AD_OP_STRIDED_ADD
    int AD_OP_GATHER, AD_OP_GATHER_ADD, AD_OP_PUT, AD_OP_CUMSUM, AD_OP_CAT
    int AD_OP_MATMUL, AD_OP_REDUCE_MAX, AD_OP_CUSTOM, AD_OP_SCAN, AD_OP_STOP, AD_OP_CALL, AD_OP_INPUT
    int AD_OP_CONST
    int AD_KIND_NODE, AD_KIND_LEAF, AD_KIND_FREED, AD_KIND_BINARY
    int ad_op_count() nogil
    const ad_op_info *ad_op_get(int op) nogil
    const char *ad_op_name(int op) nogil
    int ad_op_find(const char *name, int length) nogil
    const char *ad_op_init() nogil
    double ad_op_value(int op, double x, double y, double w) nogil
    double ad_op_partial(int op, int k, double x, double y, double w, double z) nogil

cdef extern from "array.h":
    int AD_MAX_NDIM
    ctypedef struct ad_buffer:
        int64_t refs
        int64_t version
    ctypedef struct ad_array:
        int32_t refs
        int ndim
        int64_t size
        double *data
        ad_buffer *buffer
        int64_t shape[1]
    ctypedef struct ad_span:
        int ndim
        const int64_t *shape
        int64_t size
        double *data
    ad_array *ad_array_new(int ndim, const int64_t *shape) nogil
    ad_array *ad_array_share(ad_array *a, int ndim, const int64_t *shape) nogil
    ad_array *ad_array_ghost(int ndim, const int64_t *shape) nogil
    ad_array *ad_array_borrow(int ndim, const int64_t *shape, double *data, void *owner,
                              void (*release)(void *) noexcept) nogil
    ad_array *ad_array_keep(ad_array *a) nogil
    void ad_array_drop(ad_array *a) nogil
    bint ad_array_same_shape(const ad_array *a, const ad_array *b) nogil
    ad_array *ad_array_copy(const ad_array *a) nogil
    bint ad_array_is_private(const ad_array *a) nogil
    bint ad_shape_broadcast(int a_ndim, const int64_t *a, int b_ndim, const int64_t *b,
                            int *ndim, int64_t *shape) nogil

cdef extern from "linalg.h":
    bint ad_linalg_has(int op) nogil
    uint8_t ad_linalg_uses(int op, int k) nogil

cdef extern from "kernel.h":
    void ad_kernel_fill(int64_t n, double value, double *to) nogil
    c_bool ad_kernel_has_nan(int64_t n, const double *v) nogil

cdef extern from "pool.h":
    ctypedef struct ad_pool:
        int64_t n
        int64_t height
        int64_t width
        int64_t rows
        int64_t columns
        int64_t kernel[2]
        int64_t stride[2]
        int64_t dilation[2]
    void ad_pool_winners(const ad_pool *pool, const double *x, int64_t *positions)

cdef extern from "optimize.h":
    ctypedef struct ad_sgd:
        double rate, momentum, dampening, decay
        c_bool is_nesterov, is_maximizing
    ctypedef struct ad_adam:
        double rate, beta1, beta2, tiny, decay
        c_bool is_decoupled, is_amsgrad, is_maximizing
    ctypedef struct ad_rmsprop:
        double rate, alpha, tiny, decay, momentum
        c_bool is_centered, is_maximizing
    ctypedef struct ad_adagrad:
        double rate, rate_decay, decay, tiny
        c_bool is_maximizing
    void ad_step_sgd(const ad_sgd *how, int64_t n, int64_t count, double *x,
                     const double *g, double *velocity) nogil
    void ad_step_adam(const ad_adam *how, int64_t n, int64_t count, double *x,
                      const double *g, double *mean, double *square,
                      double *largest) nogil
    void ad_step_rmsprop(const ad_rmsprop *how, int64_t n, double *x, const double *g,
                         double *square, double *mean, double *velocity) nogil
    void ad_step_adagrad(const ad_adagrad *how, int64_t n, int64_t count, double *x,
                         const double *g, double *sum) nogil

cdef extern from "program.h":
    ctypedef struct ad_guard:
        uint32_t value
        uint32_t line
        double outcome
    ctypedef struct ad_instr:
        uint16_t op
        int32_t n_args
        uint32_t args[3]
        uint32_t shape
        uint32_t extra
        uint32_t line
        double number
    ctypedef struct ad_extra
    ctypedef struct ad_program:
        int64_t refs
        uint32_t n, n_operands, n_shapes, n_extras, n_inputs, n_outputs, n_guards
        ad_instr *instr
        ad_extra *extras
        uint32_t *outputs
        ad_guard *guards

cdef extern from "tape.h":
    uint32_t AD_NONE, AD_SWEPT
    int AD_FLAG_ARRAY, AD_FLAG_STALE
    ctypedef struct ad_leaf:
        int32_t refs
        ad_handle *handle
        void *owner
    ctypedef struct ad_value:
        double scalar
        ad_array *array
        uint32_t entry
    ctypedef struct ad_index:
        int64_t refs
        int64_t size
        int64_t at[1]
    ctypedef struct ad_scan "struct ad_scan":
        ad_program *body
        int64_t n_steps
        uint32_t n_shared, n_carry, n_rows, n_out_rows, n_out_sums
        bint is_reversed, keeps_carry, has_exit, has_count
        int64_t n_snapshots
    ctypedef struct ad_call "struct ad_call":
        ad_program *adjoint
        ad_program *tangent
        uint32_t n_active
    ctypedef struct ad_attr:
        int64_t offset
        const int64_t *strides
        ad_index *index
        const ad_array *shape
        ad_array *aux
        void *object
        ad_scan *scan
        ad_call *call
        int32_t axis
        bint reverse
        bint trans_x
        bint trans_y
        bint is_lenient
    ctypedef struct ad_arg:
        uint32_t entry
        int64_t version
        double scalar
        ad_array *array
    ctypedef struct ad_node:
        ad_attr attr
        ad_array *result
        int64_t result_version
        int32_t n_args
        ad_arg args[1]
    ctypedef union ad_entry_u:
        uint32_t y
        double constant
        ad_node *node
        ad_leaf *leaf
    ctypedef struct ad_entry:
        double value
        ad_entry_u u
        uint32_t x
        uint16_t op
        uint8_t kind
        uint8_t flags
    ctypedef struct ad_handle:
        ad_handle *prev
        ad_handle *next
        ad_tape *tape
        uint32_t entry
        uint32_t flags
    ctypedef c_bool (*ad_matmul_hook)(int64_t m, int64_t n, int64_t k, const double *a,
                                      c_bool trans_a, const double *b, c_bool trans_b,
                                      double *c) noexcept
    ctypedef ad_status (*ad_linalg_hook)(int op, int n_args, const ad_span *args,
                                         const ad_attr *attr, const ad_span *z,
                                         ad_message *message) noexcept nogil
    ctypedef struct ad_line:
        uint32_t recorded
        uint32_t changed
    ctypedef struct ad_tape:
        ad_entry *entries
        uint32_t n
        uint32_t limit
        uint32_t cap
        bint is_recording
        bint is_plain
        bint defers_leaves
        bint wants_lines
        bint checks_nan
        int32_t n_locks
        int32_t n_transforms
        uint64_t n_leaf_entries
        ad_handle handles
        int64_t node_bytes
        uint64_t n_collections
        ad_line *lines
        uint32_t cap_lines
        ad_message message
        uint32_t failed_entry
        uint32_t changed_line
        int32_t failed_operand
        int64_t failed_element
        double failed_adjoint
        double failed_product
        ad_matmul_hook matmul
        ad_linalg_hook linalg
        void (*object_drop)(void *object)
        uint32_t (*line_id)()
        void *upper
        void *redirect
        void *scan
    ad_index *ad_index_new(int64_t size) nogil
    void ad_index_drop(ad_index *index) nogil
    void ad_tape_lock(ad_tape *tape)
    void ad_tape_unlock(ad_tape *tape)
    void ad_array_changed(const ad_tape *tape, ad_array *a)
    void ad_leaf_changed(ad_leaf *leaf)
    ad_status ad_tape_collect(ad_tape *tape, uint32_t start)
    void ad_handle_release(ad_handle *h)
    ad_status ad_tape_push(ad_tape *tape, const ad_entry *entry, uint32_t *index)
    void ad_leaf_drop(ad_tape *tape, ad_leaf *leaf)
    void ad_pin_link(ad_tape *tape, ad_handle *pin, uint32_t entry)
    void ad_pin_release(ad_handle *pin)
    ad_status ad_watch_add(ad_tape *tape, uint32_t entry, void *owner)
    void ad_watch_remove(ad_tape *tape, void *owner)
    bint ad_watch_own(ad_tape *tape, void *owner)

cdef extern from "apply.h":
    ad_status ad_apply(ad_tape *tape, int op, int n_args, const ad_value *args,
                       const ad_attr *attr, ad_value *out)
    ad_status ad_record(ad_tape *tape, int op, int n_args, const ad_value *args,
                        const ad_attr *attr, ad_value *out)

cdef extern from "sweep.h":
    ctypedef struct ad_sweep:
        bint keeps_graph
        bint creates_graph
        bint is_strict
        bint checks_nan
        bint checks_inf
        uint32_t floor
        int n_ends
        const uint32_t *ends
        void *context
        ad_status (*on_leaf)(void *context, ad_leaf *leaf, const ad_value *adjoint) noexcept
        ad_status (*on_watch)(void *context, void *owner, ad_value *adjoint,
                              c_bool *ends) noexcept
        ad_status (*on_custom)(void *context, const ad_node *node, const ad_value *z_bar,
                               ad_value *x_bar, c_bool *has_adjoint) noexcept
        ad_status (*poll)(void *context) noexcept
    ad_status ad_sweep_reverse(ad_tape *tape, int n, const uint32_t *entries,
                               const ad_value *seeds, const ad_sweep *sweep)
    ad_status ad_sweep_tangent(ad_tape *tape, int n_in, const uint32_t *inputs,
                               const ad_value *seeds, int n_out, const uint32_t *outputs,
                               bint is_strict, ad_value *out, c_bool *is_reached)
    int ad_entry_args(const ad_tape *tape, const ad_entry *entry, ad_value *args)

cdef extern from "schedule.h":
    int64_t ad_schedule_stride(int64_t n_left, int64_t n_snapshots)

cdef extern from "scan.h":
    ad_scan *ad_scan_new(const ad_scan *like)
    void ad_scan_drop(ad_scan *scan)
    int64_t ad_scan_offset(const ad_scan *scan, int part, uint32_t k)
    int AD_SCAN_CARRY, AD_SCAN_ROWS, AD_SCAN_SUMS, AD_SCAN_DONE

cdef extern from "call.h":
    ad_call *ad_call_new(const ad_call *like)
    void ad_call_drop(ad_call *call)

cdef extern from "program.h":
    ctypedef struct ad_extra:
        ad_attr attr
        int n_strides
        ad_array *value
    void ad_program_drop(ad_program *p)
    ad_program *ad_program_keep(ad_program *p)
    const uint32_t *ad_instr_args(const ad_program *p, const ad_instr *i)
    ad_array *ad_program_shape(const ad_program *p, uint32_t i)
    int64_t ad_program_size(const ad_program *p, uint32_t i)
    ad_status ad_program_replay(ad_tape *tape, const ad_program *p, const ad_value *inputs,
                                ad_value *values)

cdef extern from "program_file.h":
    ctypedef struct ad_bytes:
        uint8_t *data
        size_t n
        size_t cap
        bint has_failed
    ctypedef struct ad_line_texts:
        void *context
        const char *(*text)(void *context, uint32_t line, size_t *n) noexcept
        uint32_t (*line)(void *context, const char *text, size_t n) noexcept
    ad_status ad_program_write(const ad_program *p, const ad_line_texts *lines,
                               ad_bytes *bytes)
    ad_status ad_program_read(const uint8_t *data, size_t n, const ad_line_texts *lines,
                              ad_program **p, ad_message *message)

cdef extern from "sparsity.h":
    ctypedef struct ad_pattern:
        int64_t n_rows
        int64_t n_columns
        int64_t *starts
        int32_t *columns
    void ad_pattern_free(ad_pattern *pattern) nogil
    ad_status ad_sparsity_jacobian(const ad_program *p, const c_bool *is_wanted_input,
                                   const c_bool *is_wanted_output, ad_pattern *pattern,
                                   ad_message *message) nogil

cdef extern from "coloring.h":
    void ad_pattern_transpose(int32_t n_rows, int32_t n_columns, const int64_t *starts,
                              const int32_t *columns, int64_t *t_starts,
                              int32_t *t_columns) nogil
    ad_status ad_color_columns(int32_t n_rows, int32_t n_columns, const int64_t *starts,
                               const int32_t *columns, int32_t *color,
                               int32_t *n_colors) nogil
    ad_status ad_color_star(int32_t n, const int64_t *starts, const int32_t *columns,
                            int32_t *color, int32_t *n_colors) nogil
    ad_status ad_color_read(int32_t n, int32_t n_colors, const int64_t *starts,
                            const int32_t *columns, const int32_t *color, int64_t *at,
                            c_bool *is_complete) nogil

cdef extern from "builder.h":
    ctypedef struct ad_builder:
        ad_tape *tape
        ad_program *program
        bint keeps_carry
        void *owner
    ad_builder *ad_builder_new(bint is_tracing)
    ad_builder *ad_builder_of(const ad_tape *tape)
    void ad_builder_free(ad_builder *b)
    ad_status ad_builder_input(ad_builder *b, const ad_array *shape, uint32_t *value)
    ad_status ad_builder_guard(ad_builder *b, uint32_t value, double outcome, uint32_t line)
    int ad_builder_is_mask(const ad_builder *b, uint32_t value)
    bint ad_builder_is_stopped(const ad_builder *b, uint32_t value)
    ad_value ad_builder_value(const ad_builder *b, uint32_t i)
    ad_status ad_builder_inline(ad_builder *b, const ad_program *p, const ad_value *inputs,
                                ad_value *values)
    ad_status ad_builder_finish(ad_builder *b, uint32_t n_outputs, const ad_value *outputs,
                                bint keeps_guards, ad_program **program)
    void ad_values_drop(int64_t n, ad_value *values)

cdef extern from "transform.h":
    ad_status ad_transform_reverse(ad_builder *b, const ad_program *p,
                                   const ad_value *values, const c_bool *is_wanted,
                                   const ad_value *seeds, ad_value *x_bar,
                                   c_bool *has_x_bar)
    ad_status ad_transform_forward(ad_builder *b, const ad_program *p,
                                   const ad_value *values, const ad_value *x_dot,
                                   const c_bool *has_x_dot, ad_value *z_dot,
                                   c_bool *has_z_dot)

cdef extern from "compat.h":
    void *ad_lines_new(size_t n_bytes) nogil
    void ad_lines_free(void *lines) nogil

cdef extern from "vm.h":
    ctypedef struct ad_code:
        pass
    ad_code *ad_code_new(ad_program *p)
    void ad_code_set_linalg(ad_code *code, ad_linalg_hook hook) nogil
    void ad_code_free(ad_code *code)
    int64_t ad_code_workspace(const ad_code *code, int64_t n_lanes) nogil
    int64_t ad_code_best_lanes(const ad_code *code) nogil
    void ad_code_prepare(const ad_code *code, double *ws, int64_t n_lanes) nogil
    void ad_code_load(const ad_code *code, double *ws, uint32_t k, const double *data) nogil
    int64_t ad_code_input(const ad_code *code, uint32_t k) nogil
    int64_t ad_code_output(const ad_code *code, uint32_t k) nogil
    int64_t ad_code_guard(const ad_code *code, uint32_t k) nogil
    ad_status ad_code_run(const ad_code *code, double *ws, int64_t n_lanes, int64_t n_used,
                          bint is_guarded, ad_matmul_hook hook, ad_message *message) nogil
    bint ad_code_has_guarded(const ad_code *code) nogil

cdef extern from "batch.h":
    ctypedef struct ad_batch_input:
        const double *data
        int64_t stride
    ctypedef struct ad_batch_output:
        double *data
        bint is_summed
    ctypedef struct ad_batch:
        const ad_code *code
        int64_t n_lanes
        int64_t n_rows
        const int64_t *rows
        const ad_batch_input *inputs
        const ad_batch_output *outputs
        int32_t *differs
        double *outcome
    int64_t ad_batch_blocks(const ad_batch *batch) nogil
    int64_t ad_batch_scratch(const ad_code *code, int64_t n_lanes) nogil
    ad_status ad_batch_run(const ad_batch *batch, double *scratch, int64_t first,
                           int64_t last, const int *stop, ad_matmul_hook hook,
                           ad_message *message) nogil
    void ad_batch_sum(int64_t n_blocks, int64_t size, const double *parts,
                      double *total) nogil

cdef extern from "route.h":
    ctypedef struct ad_turn:
        uint32_t guard, path
        double outcome
    ctypedef struct ad_route_path:
        ad_batch guards
        ad_batch all
        uint32_t n_turns
        const ad_turn *turns
    ctypedef struct ad_route:
        int64_t n_rows
        const int64_t *rows
        uint32_t n_paths
        const ad_route_path *paths
        int32_t *lost_path
        int32_t *guard
        double *outcome
        int32_t *path_of
    int64_t ad_route_chunks(const ad_route *route) nogil
    ad_status ad_route_run(const ad_route *route, int64_t first, int64_t last,
                           int64_t *counts, const int *stop, ad_matmul_hook hook,
                           ad_message *message) nogil

cdef extern from "frontier.h":
    ad_status ad_frontier(ad_tape *tape, int n_out, const uint32_t *outputs, int n_ends,
                          const uint32_t *ends, uint32_t floor,
                          ad_status (*on_found)(void *, uint32_t) noexcept,
                          void *context)

cdef extern from "_tensor.h":
    int AD_TENSOR_ARRAY, AD_TENSOR_ALIAS, AD_TENSOR_LEAF, AD_TENSOR_RICH
    int AD_TENSOR_HIDDEN, AD_TENSOR_RETAINS, AD_TENSOR_WATCHED, AD_TENSOR_CHANGED
    int AD_TENSOR_STOPPED, AD_TENSOR_PART
    ctypedef struct ad_tensor:
        ad_handle h
        double value
        ad_array *array
        ad_leaf *leaf
        PyObject *grad
        PyObject *hooks
        int64_t version
    ctypedef struct ad_py_hooks:
        int (*to_value)(object o, ad_value *value) noexcept
        PyObject *(*to_numpy)(ad_value *value) noexcept
        PyObject *(*compare)(object a, object b, int op) noexcept
        PyObject *(*matmul)(object a, object b) noexcept
        ad_matmul_hook large_matmul
        ad_linalg_hook linalg
        ad_status (*custom_tangent)(ad_tape *tape, const ad_node *node,
                                    const ad_value *x_dot, const c_bool *is_active,
                                    ad_value *out) noexcept
        int (*set_status)(ad_tape *tape, int status) noexcept
        int (*warn_lost)(const char *what) noexcept
        void (*drop_object)(void *object) noexcept
        c_bool (*is_inside)(object code) noexcept
        uint32_t (*new_line)(object code, int line) noexcept
        int (*capture)(ad_tape *tape, object tensor, ad_value *value) noexcept
        int (*guard)(object tensor, const char *what) noexcept
        int (*check_masks)(object a, object b) noexcept
        int (*before_inplace)(object tensor) noexcept
        int (*leave_entry)(object tensor) noexcept
        void (*follow_entry)(object tensor) noexcept
        ad_status (*hooked_leaf)(void *context, ad_leaf *leaf,
                                 const ad_value *adjoint) noexcept
        ad_status (*keep_error)() noexcept
        int (*overridden)(int op, int n_args, PyObject **args, const ad_attr *attr,
                          PyObject **z) noexcept
        int (*note_unrecorded)(object x) noexcept
        int (*overridden_inplace)(int op, object x, object y) noexcept
    ad_py_hooks ad_py
    uint32_t line_id "ad_py_line_id"()
    ad_tensor *ad_tensor_of "AD_TENSOR_OF"(ad_handle *handle)
    bint ad_tensor_check(object o)
    object ad_tensor_type_new()
    object ad_row_functions()
    object ad_row_methods()
    const char *const *ad_row_operands(int op)
    ad_tape *ad_current_tape
    PyObject *ad_overrides
    object ad_py_apply(int op, int n_args, PyObject **args)
    void set_current_tape "ad_set_current_tape"(ad_tape *tape)
    bint ad_tensor_is_traced(const ad_tensor *x)
    ad_tape *ad_py_tape() except NULL
    object ad_tensor_wrap(ad_tape *tape, ad_value *v)
    int ad_tensor_value(ad_tape *tape, ad_tensor *x, ad_value *v) except -1
    int ad_operand_value(ad_tape *tape, object o, ad_value *v, ad_array **owned) except -1
    int ad_py_make_room(ad_tape *tape) except -1
    object ad_py_apply_attr(int op, object x, const ad_attr *attr)
    ad_tensor *ad_tensor_root(const ad_tensor *x)
    object ad_tensor_alias(ad_tape *tape, ad_tensor *x, int is_hidden)
    double ad_tensor_scalar(const ad_tensor *x)
    bint ad_tensor_requires_grad(const ad_tensor *x)
    int ad_tensor_set_requires_grad(ad_tensor *x, int requires) except -1
    int ad_tensor_assign(ad_tape *tape, ad_tensor *x, ad_value *v) except -1
    object ad_tensor_inplace(int op, object x, object y)
    int ad_tensor_accumulate_grad(ad_tape *tape, ad_tensor *x, const ad_value *adjoint,
                                  int creates_graph) except -1
    ad_status ad_tensor_on_leaf(void *context, ad_leaf *leaf,
                                const ad_value *adjoint) noexcept
    void ad_tensor_settle(ad_tensor *x)
    void ad_tensor_make_rich(ad_tensor *x)
