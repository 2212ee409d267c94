/* A recorded program executed without Python: the loops that NumPy runs, on the buffers that it would run them on.
 *
 * A program is a list of calls. A call walks n-dimensional arrays, outermost axis first, and hands the innermost axis
 * to a loop, as NumPy's iterator does. All loops have NumPy's signature
 *
 *     void loop(char **args, const npy_intp *dims, const npy_intp *steps, void *data)
 *
 * with dims = {n, core dimensions…} and steps = {a step along n for each argument, core steps…}. The arithmetic is
 * NumPy's own, `PyUFuncObject.functions`, so every result has NumPy's bits and a product runs in NumPy's BLAS; copies,
 * casts, rows taken, put and added, `argmax`, `erf` and outer products, which are no ufuncs, are in `loops.h`. A call
 * of anything else takes the interpreter's lock and goes through Python.
 *
 * Everything is checked when a `Tape` is made, by `reading.h`, so that no call leaves the memory of its arrays. Running
 * it decides nothing, allocates nothing and, outside calls through Python, needs no lock.
 */
#define PY_SSIZE_T_CLEAN
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>
#include <math.h>
#include <string.h>

#include "loops.h"
#include "reading.h"

/* A call at its place in the program: of what does the same elsewhere, as blocks of a batch do, only that is repeated. */
typedef struct {
    const Call *form;
    char *start[ARGS];
} Step;

/* Calls that are run together on `unit` indices of their outermost axis before the next ones; one call has unit 0. */
typedef struct {
    npy_intp first, count, extent, unit;
} Chain;

typedef struct {
    PyObject_HEAD
    Step *steps;
    Call **forms;
    Chain *chains;
    npy_intp nsteps, nforms, nchains;
    PyObject *kept; /* whatever the calls point to */
} Tape;

/* ------------------------------------------------------------------ running */

/* Run a call on indices low … high − 1 of its outermost axis. Loops over a constant ARGS are unrolled. */
static void run_part(const Call *call, char *const *start, npy_intp low, npy_intp high) {
    char *at[ARGS], *args[ARGS];
    npy_intp dims[1 + CORE], count[AXES] = {0};
    void *data = call->own ? (void *)call : call->data;
    int inner = call->axes - 1, middle = inner - 1;
    memcpy(dims, call->dims, sizeof dims);
    for (int k = 0; k < ARGS; k++) at[k] = start[k] + low * call->strides[0][k];
    if (inner == 0 || call->joined) {
        dims[0] = (high - low) * (inner ? call->shape[1] : 1);
        call->loop(at, dims, call->steps, data);
        return;
    }
    dims[0] = call->shape[inner];
    npy_intp extent = middle ? call->shape[middle] : high - low;
    for (int axis = middle; axis >= 0;) {
        for (npy_intp i = 0; i < extent; i++) {
            memcpy(args, at, sizeof at); /* which some of NumPy's loops move */
            call->loop(args, dims, call->steps, data);
            for (int k = 0; k < ARGS; k++) at[k] += call->strides[middle][k];
        }
        for (int k = 0; k < ARGS; k++) at[k] -= call->strides[middle][k] * extent;
        for (axis = middle - 1; axis >= 0; axis--) { /* to the next index of the axes further out */
            npy_intp n = axis ? call->shape[axis] : high - low;
            int more = ++count[axis] < n;
            for (int k = 0; k < ARGS; k++) at[k] += call->strides[axis][k] * (more ? 1 : 1 - n);
            if (more) break;
            count[axis] = 0;
        }
    }
}

/* Run everything once; return -1 with an exception set where a call through Python raised one. */
static int run_once(const Tape *tape, PyThreadState **unlocked) {
    for (const Chain *chain = tape->chains; chain < tape->chains + tape->nchains; chain++) {
        const Step *first = tape->steps + chain->first, *end = first + chain->count;
        if (chain->unit) {
            for (npy_intp low = 0; low < chain->extent; low += chain->unit) {
                npy_intp high = low + chain->unit < chain->extent ? low + chain->unit : chain->extent;
                for (const Step *step = first; step < end; step++) run_part(step->form, step->start, low, high);
            }
        } else
            for (const Step *step = first; step < end; step++) {
                const Call *call = step->form;
                if (call->loop) {
                    run_part(call, step->start, 0, call->shape[0]);
                    continue;
                }
                PyEval_RestoreThread(*unlocked);
                PyObject *result = PyObject_CallObject(call->function, call->args);
                Py_XDECREF(result);
                *unlocked = PyEval_SaveThread();
                if (!result) return -1;
            }
    }
    return 0;
}

/* ------------------------------------------------------------------ the type */

/* (first, count, extent, unit), which must follow one another; only calls without Python run in units */
static int read_chain(const Tape *tape, Chain *chain, npy_intp first, PyObject *item) {
    npy_intp numbers[4];
    int n = read_integers(item, numbers, 4);
    if (n != 4) return n < 0 ? -1 : refuse("expected four numbers for every chain");
    *chain = (Chain){numbers[0], numbers[1], numbers[2], numbers[3]};
    if (chain->first != first || chain->count < 1 || chain->count > tape->nsteps - first || chain->unit < 0 || chain->extent < 0)
        return refuse("chains must follow one another");
    if (chain->unit > PY_SSIZE_T_MAX - chain->extent) return refuse("a unit is too large");
    for (const Step *step = tape->steps + first; chain->unit && step < tape->steps + first + chain->count; step++)
        if (!step->form->loop || step->form->shape[0] != chain->extent) return refuse("a chain runs along one axis");
    return 0;
}

/* True if `watched`, float64 in a row or none, holds finite numbers only. */
static int all_finite(PyArrayObject *watched) {
    for (npy_intp i = 0; watched && i < PyArray_SIZE(watched); i++)
        if (!isfinite(((double *)PyArray_DATA(watched))[i])) return 0;
    return 1;
}

/* Read copies between the rows of tables, one for each time, and arrays; return how many, or -1. */
static int read_rows(Call *rows, PyObject *described, npy_intp times, PyObject *kept) {
    int n = 0;
    if (described && PyTuple_GET_SIZE(described) > TABLES) return refuse("too many tables");
    for (; described && n < PyTuple_GET_SIZE(described); n++) {
        memset(rows + n, 0, sizeof *rows);
        if (read_call(rows + n, PyTuple_GET_ITEM(described, n), kept)) return -1;
        if (rows[n].loop != copy || rows[n].shape[0] != times) return refuse("expected a row for every time");
    }
    return n;
}

/* run(times, inputs, outputs, watched): before the k-th time, index k of the outermost axis of every input, a copy, is
 * executed, and after it that of every output; the first time after which not all numbers in `watched` are finite is
 * the last. How many there were is returned. */
static PyObject *tape_run(Tape *tape, PyObject *args) {
    Call inputs[TABLES], outputs[TABLES];
    npy_intp times = 1, done = 0;
    PyObject *before = NULL, *after = NULL, *kept;
    PyArrayObject *watched = NULL;
    int failed = 0, ninputs, noutputs = 0;
    if (!PyArg_ParseTuple(args, "|nO!O!O!:run", &times, &PyTuple_Type, &before, &PyTuple_Type, &after, &PyArray_Type, &watched)) return NULL;
    if (watched && (PyArray_TYPE(watched) != NPY_DOUBLE || !PyArray_ISCARRAY_RO(watched)))
        return refuse("expected float64 in a row to watch"), NULL;
    if (!(kept = PyList_New(0))) return NULL;
    ninputs = read_rows(inputs, before, times, kept);
    if (ninputs >= 0) noutputs = read_rows(outputs, after, times, kept);
    failed = ninputs < 0 || noutputs < 0;
    if (!failed) {
        PyThreadState *unlocked = PyEval_SaveThread();
        for (; done < times && !failed && (!done || all_finite(watched)); done++) {
            for (int i = 0; i < ninputs; i++) run_part(inputs + i, inputs[i].start, done, done + 1);
            failed = run_once(tape, &unlocked);
            for (int i = 0; i < noutputs && !failed; i++) run_part(outputs + i, outputs[i].start, done, done + 1);
        }
        PyEval_RestoreThread(unlocked);
    }
    Py_DECREF(kept);
    return failed ? NULL : PyLong_FromSsize_t(done);
}

static int tape_clear(Tape *tape) {
    tape->nchains = tape->nsteps = 0; /* nothing is run any more */
    Py_CLEAR(tape->kept);
    return 0;
}

static int tape_traverse(Tape *tape, visitproc visit, void *arg) {
    Py_VISIT(tape->kept);
    return 0;
}

static void tape_dealloc(Tape *tape) {
    PyObject_GC_UnTrack(tape);
    tape_clear(tape);
    for (npy_intp k = 0; k < tape->nforms; k++) PyMem_Free(tape->forms[k]);
    PyMem_Free(tape->forms);
    PyMem_Free(tape->steps);
    PyMem_Free(tape->chains);
    Py_TYPE(tape)->tp_free(tape);
}

/* Make room for one more item beside n of them: twice as much each time. */
static void *with_room(void *items, npy_intp n, size_t size) {
    if (n & (n - 1)) return items;
    void *more = PyMem_Realloc(items, (n ? 2 * n : 1) * size);
    if (!more) PyErr_NoMemory();
    return more;
}

/* Append a step; calls that differ only in where they begin have one form. */
static int add_step(Tape *tape, Call *call) {
    void *room = with_room(tape->steps, tape->nsteps, sizeof(Step));
    if (!room) return -1;
    tape->steps = room;
    Step *step = tape->steps + tape->nsteps;
    memcpy(step->start, call->start, sizeof step->start);
    memset(call->start, 0, sizeof call->start);
    npy_intp k = tape->nforms;
    while (k > 0 && memcmp(tape->forms[k - 1], call, sizeof *call)) k--;
    if (k == 0) {
        if (!(room = with_room(tape->forms, tape->nforms, sizeof(Call *)))) return -1;
        tape->forms = room;
        Call *form = PyMem_Malloc(sizeof *form);
        if (!form) return PyErr_NoMemory(), -1;
        memcpy(form, call, sizeof *form);
        tape->forms[tape->nforms++] = form;
        k = tape->nforms;
    }
    step->form = tape->forms[k - 1];
    tape->nsteps++;
    return 0;
}

/* Calls are read one by one, so that they need not all be there at once; the chains are complete after the last. */
static PyObject *tape_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *calls, *chains, *each = NULL, *item;
    static char *names[] = {"calls", "chains", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!:Tape", names, &calls, &PyList_Type, &chains)) return NULL;
    Tape *tape = (Tape *)type->tp_alloc(type, 0);
    if (!tape || !(tape->kept = PyList_New(0)) || !(each = PyObject_GetIter(calls))) goto failed;
    while ((item = PyIter_Next(each))) {
        Call call;
        memset(&call, 0, sizeof call); /* padding too: forms are compared byte by byte */
        int failed = read_call(&call, item, tape->kept) || add_step(tape, &call);
        Py_DECREF(item);
        if (failed) goto failed;
    }
    if (PyErr_Occurred()) goto failed;
    Py_ssize_t nchains = PyList_GET_SIZE(chains);
    if (!(tape->chains = PyMem_Calloc(nchains + 1, sizeof(Chain)))) {
        PyErr_NoMemory();
        goto failed;
    }
    npy_intp next = 0;
    for (; tape->nchains < nchains; tape->nchains++) {
        if (read_chain(tape, tape->chains + tape->nchains, next, PyList_GET_ITEM(chains, tape->nchains))) goto failed;
        next += tape->chains[tape->nchains].count;
    }
    if (next != tape->nsteps) {
        refuse("the chains must hold all calls");
        goto failed;
    }
    Py_DECREF(each);
    return (PyObject *)tape;
failed:
    Py_XDECREF(each);
    Py_XDECREF(tape);
    return NULL;
}

static PyMethodDef tape_methods[] = {
    {"run", (PyCFunction)tape_run, METH_VARARGS, "run(times=1, inputs=(), outputs=(), watched): execute all calls, so many times in a row, without the interpreter's lock."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject tape_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "minisgd.backend.cpu.native._executor.Tape",
    .tp_doc = "Tape(calls, chains): a list of calls, checked, that runs without Python.",
    .tp_basicsize = sizeof(Tape),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = tape_new,
    .tp_dealloc = (destructor)tape_dealloc,
    .tp_traverse = (traverseproc)tape_traverse,
    .tp_clear = (inquiry)tape_clear,
    .tp_methods = tape_methods,
};

static PyObject *has_cast(PyObject *unused, PyObject *args) {
    int from, to;
    (void)unused;
    if (!PyArg_ParseTuple(args, "ii:has_cast", &from, &to)) return NULL;
    return PyBool_FromLong(find_cast(from, to) != NULL);
}

static PyObject *list_fused_loops(PyObject *unused, PyObject *none) {
    (void)unused, (void)none;
    PyObject *listed = PyList_New(0);
    for (size_t n = 0; listed && n < FUSED_COUNT; n++) {
        PyObject *row = Py_BuildValue("sss", fused_loops[n].name, fused_loops[n].arguments, fused_loops[n].assignments);
        if (!row || PyList_Append(listed, row)) Py_CLEAR(listed);
        Py_XDECREF(row);
    }
    return listed;
}

static PyMethodDef functions[] = {
    {"fused_loops", list_fused_loops, METH_NOARGS, "fused_loops(): list name, arguments and assignments of each."},
    {"has_cast", has_cast, METH_VARARGS, "has_cast(from, to): tell whether there is a loop for these type numbers."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_executor", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__executor(void) {
    import_array();
    import_umath();
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddType(made, &tape_type)) Py_CLEAR(made);
    if (made && PyModule_AddIntConstant(made, "checksum", CHECKSUM)) Py_CLEAR(made); // of this file, see build.py
    return made;
}
