/*
 * _line.c - which line of the user's is running: a number for each file and line.
 *
 * Asked for every operation of a function that is being recorded, so what is known of
 * an instruction of some code is kept in a table of fixed size. A slot owns its code
 * object, so that its address is nobody else's. Holds the GIL.
 *
 *      code          instruction    id
 *     +-------------+--------------+-----------------------------------+
 *     | a function  | at byte 40   | of its line                       |
 *     | a function  | WHOLE        | INSIDE if it is this package's    |
 *     +-------------+--------------+-----------------------------------+
 */
#include "_tensor.h"

enum { N_SLOTS = 4096, WHOLE = -1, OUTSIDE = 0, INSIDE = 1 };

typedef struct slot {
    PyCodeObject *code;
    int instruction;
    uint32_t id;
} slot;

static slot slots[N_SLOTS];

/* The slot of an instruction; the caller fills it if it holds another's. */
static slot *find(const PyCodeObject *code, int instruction)
{
    size_t h = (size_t)code >> 4;
    h = (h ^ h >> 11) * 31 + (size_t)(instruction + 2) / 2;
    return &slots[h & (N_SLOTS - 1)];
}

static inline bool holds(const slot *s, const PyCodeObject *code, int instruction)
{
    return s->code == code && s->instruction == instruction;
}

static void fill(slot *s, PyCodeObject *code, int instruction, uint32_t id)
{
    PyCodeObject *old = s->code;
    s->code = (PyCodeObject *)Py_NewRef((PyObject *)code);
    s->instruction = instruction;
    s->id = id;
    Py_XDECREF((PyObject *)old);
}

/* Is the code this package's? */
static bool is_inside(PyCodeObject *code)
{
    slot *s = find(code, WHOLE);
    if (!holds(s, code, WHOLE)) {
        const bool found = ad_py.is_inside((PyObject *)code);
        fill(s, code, WHOLE, found ? INSIDE : OUTSIDE);
    }
    return s->id == INSIDE;
}

static uint32_t line_of(PyFrameObject *frame, PyCodeObject *code)
{
    const int instruction = PyFrame_GetLasti(frame);
    slot *s = find(code, instruction);
    if (!holds(s, code, instruction))
        fill(s, code, instruction,
             ad_py.new_line((PyObject *)code, PyFrame_GetLineNumber(frame)));
    return s->id;
}

uint32_t ad_py_line_id(void)
{
    PyFrameObject *frame = PyEval_GetFrame();
    uint32_t id = 0;
    Py_XINCREF((PyObject *)frame);
    while (frame != NULL) {
        PyCodeObject *code = PyFrame_GetCode(frame);
        const bool is_user = !is_inside(code);
        if (is_user)
            id = line_of(frame, code);
        Py_DECREF((PyObject *)code);
        PyFrameObject *back = is_user ? NULL : PyFrame_GetBack(frame);
        Py_DECREF((PyObject *)frame);
        frame = back;
    }
    return id;
}
