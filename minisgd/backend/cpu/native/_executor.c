/* A recorded program executed without Python: the loops that NumPy runs, on the buffers that it would run them on.
 *
 * A program is a list of calls. A call walks n-dimensional arrays, outermost axis first, and hands the innermost axis
 * to a loop, as NumPy's iterator does. All loops have NumPy's signature
 *
 *     void loop(char **args, const npy_intp *dims, const npy_intp *steps, void *data)
 *
 * with dims = {n, core dimensions…} and steps = {a step along n for each argument, core steps…}. The arithmetic is
 * NumPy's own, `PyUFuncObject.functions`, so every result has NumPy's bits and a product runs in NumPy's BLAS; copies,
 * casts, rows taken, put and added, `argmax`, `erf` and outer products, which are no ufuncs, are loops of this file. A
 * call of anything else takes the interpreter's lock and goes through Python.
 *
 * Everything is checked when a `Tape` is made: dtypes, alignment, and that no call leaves the memory of its arrays.
 * Running it decides nothing, allocates nothing and, outside calls through Python, needs no lock.
 */
#define PY_SSIZE_T_CLEAN
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>
#include <math.h>
#include <string.h>

enum { ARGS = 6, AXES = 8, CORE = 3, CORE_STEPS = 8, PIECE = 2048, WIDEST = 8, TABLES = 4 };

typedef void Loop(char **args, const npy_intp *dims, const npy_intp *steps, void *data);

typedef struct Call {
    PyObject *function, *args;        /* through Python, where there is no loop */
    Loop *loop;
    void *data;                       /* NumPy's, or this call for the loops of this file */
    int nargs, outputs, axes, joined; /* joined: the first of two axes continues the second */
    int own;                          /* the loop's data is this call: one of the loops of this file */
    char *start[ARGS];                /* where it begins; NULL in the form that steps share */
    npy_intp shape[AXES];             /* outermost first */
    npy_intp strides[AXES][ARGS];
    npy_intp dims[1 + CORE];          /* dims[0] is set when it runs */
    npy_intp steps[ARGS + CORE_STEPS];
    npy_intp rows, bytes;             /* take: rows of the source; take and copy: bytes of an item */
    Loop *cast[ARGS], *inner;         /* arguments of another dtype than those of the loop `inner` */
    void *inner_data;
    npy_intp width[ARGS];             /* bytes of an argument as `inner` sees it */
} Call;

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

/* ------------------------------------------------------------------ the loops of this file */

#define EACH(n, ...) for (npy_intp i = 0; i < (n); i++, from += steps[0], to += steps[1]) __VA_ARGS__
#define MOVE(size) case size: EACH(dims[0], memmove(to, from, size)); break; /* of a size that the compiler knows */

#define FILL(T)                                                                                      \
    {                                                                                                \
        T value = *(const T *)from;                                                                  \
        for (npy_intp i = 0; i < dims[0]; i++) ((T *)to)[i] = value;                                 \
    }

static void copy(char **args, const npy_intp *dims, const npy_intp *steps, void *call) {
    const char *from = args[0];
    char *to = args[1];
    npy_intp bytes = ((Call *)call)->bytes;
    if (steps[1] == bytes && steps[0] == bytes) memmove(to, from, dims[0] * bytes);
    else if (steps[1] == bytes && steps[0] == 0 && bytes == 4) FILL(npy_uint32)
    else if (steps[1] == bytes && steps[0] == 0 && bytes == 8) FILL(npy_uint64)
    else switch (bytes) {
        MOVE(1) MOVE(2) MOVE(4) MOVE(8) MOVE(16) MOVE(32) MOVE(64) MOVE(128)
        default: EACH(dims[0], memmove(to, from, bytes));
    }
}

#define CASTS(CAST)                                                                                  \
    CAST(BOOL, bool, FLOAT, float) CAST(BOOL, bool, DOUBLE, double) CAST(BOOL, bool, INT64, int64)   \
    CAST(UINT8, uint8, FLOAT, float) CAST(UINT8, uint8, DOUBLE, double)                              \
    CAST(INT64, int64, FLOAT, float) CAST(INT64, int64, DOUBLE, double)                              \
    CAST(FLOAT, float, DOUBLE, double) CAST(DOUBLE, double, FLOAT, float)

#define CAST_LOOP(FROM, from_type, TO, to_type)                                                      \
    static void from_type##_to_##to_type(char **args, const npy_intp *dims, const npy_intp *steps, void *unused) { \
        typedef npy_##from_type A;                                                                   \
        typedef npy_##to_type B;                                                                     \
        const char *from = args[0];                                                                  \
        char *to = args[1];                                                                          \
        (void)unused;                                                                                \
        if (steps[0] == sizeof(A) && steps[1] == sizeof(B))                                          \
            for (npy_intp i = 0; i < dims[0]; i++) ((B *)to)[i] = (B)((const A *)from)[i];           \
        else EACH(dims[0], *(B *)to = (B)*(const A *)from);                                          \
    }
CASTS(CAST_LOOP)

static Loop *find_cast(int from, int to) {
#define RETURN_CAST(FROM, from_type, TO, to_type)                                                    \
    if (from == NPY_##FROM && to == NPY_##TO) return from_type##_to_##to_type;
    CASTS(RETURN_CAST)
    return NULL;
}

/* The row that an index names; beyond the ends it is clipped to them, as take(mode="clip") does. */
static npy_intp row_at(const char *index, npy_intp rows) {
    npy_int64 row = *(const npy_int64 *)index;
    return row < 0 ? 0 : row >= rows ? rows - 1 : (npy_intp)row;
}

/* out[i] = source[index[i]] */
static void take(char **args, const npy_intp *dims, const npy_intp *steps, void *data) {
    const Call *call = data;
    const char *source = args[0], *index = args[1];
    char *out = args[2];
    npy_intp bytes = call->bytes;
    for (npy_intp i = 0; i < dims[0]; i++, source += steps[0], index += steps[1], out += steps[2]) {
        npy_intp row = row_at(index, call->rows);
        if (bytes == 8) memcpy(out, source + 8 * row, 8);
        else if (bytes == 4) memcpy(out, source + 4 * row, 4);
        else memcpy(out, source + bytes * row, bytes);
    }
}

/* out[index[i]] = from[i] */
static void put_rows(char **args, const npy_intp *dims, const npy_intp *steps, void *data) {
    const Call *call = data;
    for (npy_intp i = 0; i < dims[0]; i++)
        memcpy(args[2] + call->bytes * row_at(args[1] + i * steps[1], call->rows), args[0] + i * steps[0], call->bytes);
}

/* out[index[i]] += from[i], one row after the other */
#define ADD_ROWS(name, T)                                                                            \
    static void name(char **args, const npy_intp *dims, const npy_intp *steps, void *data) {         \
        const Call *call = data;                                                                     \
        const char *from = args[0], *index = args[1];                                                \
        for (npy_intp i = 0; i < dims[0]; i++, from += steps[0], index += steps[1]) {                \
            T *__restrict row = (T *)(args[2] + call->bytes * row_at(index, call->rows));            \
            for (npy_intp k = 0; k < call->bytes / (npy_intp)sizeof(T); k++) row[k] += ((const T *)from)[k]; \
        }                                                                                            \
    }
ADD_ROWS(add_rows_float, npy_float)
ADD_ROWS(add_rows_double, npy_double)

/* (k) → (): the first of the largest; a NaN is larger than all numbers */
#define ARGMAX(name, T)                                                                              \
    static void name(char **args, const npy_intp *dims, const npy_intp *steps, void *unused) {       \
        const char *from = args[0];                                                                  \
        char *to = args[1];                                                                          \
        (void)unused;                                                                                \
        EACH(dims[0], {                                                                              \
            T largest = *(const T *)from;                                                            \
            npy_intp where = 0;                                                                      \
            for (npy_intp k = 1; k < dims[1] && largest == largest; k++) {                           \
                T value = *(const T *)(from + k * steps[2]);                                         \
                if (!(value <= largest)) largest = value, where = k;                                 \
            }                                                                                        \
            *(npy_intp *)to = where;                                                                 \
        });                                                                                          \
    }
ARGMAX(argmax_float, npy_float)
ARGMAX(argmax_double, npy_double)

#include "fused_loops.h"

/* (1), (n) → (n): a row of a product whose inner dimension is one; a sum begins with 0, so no result is −0 */
#define OUTER(name, T)                                                                               \
    FOR_EACH_PROCESSOR static void name(char **args, const npy_intp *dims, const npy_intp *steps, void *unused) { \
        (void)unused;                                                                                \
        for (npy_intp i = 0; i < dims[0]; i++) {                                                     \
            const T a = *(const T *)(args[0] + i * steps[0]);                                        \
            const T *__restrict b = (const T *)(args[1] + i * steps[1]);                             \
            T *__restrict out = (T *)(args[2] + i * steps[2]);                                       \
            for (npy_intp j = 0; j < dims[1]; j++) out[j] = a * b[j] + 0;                            \
        }                                                                                            \
    }
OUTER(outer_float, npy_float)
OUTER(outer_double, npy_double)

/* erf as `erf.py` computes it, a part at a time: coefficients, from, to. The inner loop is NumPy's exp. */
#define ERF(name, T, absolute, with_sign)                                                            \
    FOR_EACH_PROCESSOR static void name(char **args, const npy_intp *dims, const npy_intp *unused, void *data) { \
        const Call *call = data;                                                                     \
        const T *c = (const T *)args[0];                                                             \
        T t[PIECE], u[PIECE], g[PIECE];                                                              \
        (void)unused;                                                                                \
        for (npy_intp done = 0; done < dims[0]; done += PIECE) {                                     \
            npy_intp n = dims[0] - done < PIECE ? dims[0] - done : PIECE;                            \
            const T *from = (const T *)args[1] + done;                                               \
            T *to = (T *)args[2] + done;                                                             \
            for (npy_intp i = 0; i < n; i++) {                                                       \
                t[i] = 2 / (absolute(from[i]) + 2);                                                  \
                u[i] = 2 * t[i] - 1;                                                                 \
                g[i] = c[0];                                                                         \
            }                                                                                        \
            for (npy_intp k = 1; k < call->rows; k++)                                                \
                for (npy_intp i = 0; i < n; i++) g[i] = g[i] * u[i] + c[k];                          \
            for (npy_intp i = 0; i < n; i++) {                                                       \
                T z = absolute(from[i]);                                                             \
                z = z > 40 ? 40 : z;                                                                 \
                g[i] = g[i] - z * z;                                                                 \
            }                                                                                        \
            call->inner((char *[]){(char *)g, (char *)g}, &n, (npy_intp[]){sizeof(T), sizeof(T)}, call->inner_data); \
            for (npy_intp i = 0; i < n; i++) to[i] = with_sign(1 - g[i] * t[i], from[i]);            \
        }                                                                                            \
    }
ERF(erf_float, npy_float, fabsf, copysignf)
ERF(erf_double, npy_double, fabs, copysign)

/* A ufunc whose arguments have other dtypes than its loop: a piece at a time through buffers, as NumPy does */
static void with_casts(char **args, const npy_intp *dims, const npy_intp *steps, void *data) {
    const Call *call = data;
    npy_int64 buffer[ARGS][PIECE * WIDEST / sizeof(npy_int64)];
    for (npy_intp done = 0; done < dims[0]; done += PIECE) {
        npy_intp n = dims[0] - done < PIECE ? dims[0] - done : PIECE;
        char *part[ARGS];
        npy_intp step[ARGS];
        for (int k = 0; k < call->nargs; k++) {
            char *there = args[k] + done * steps[k];
            part[k] = call->cast[k] ? (char *)buffer[k] : there;
            step[k] = call->cast[k] ? call->width[k] : steps[k];
            if (call->cast[k] && k < call->nargs - call->outputs)
                call->cast[k]((char *[]){there, part[k]}, &n, (npy_intp[]){steps[k], step[k]}, NULL);
        }
        call->inner(part, &n, step, call->inner_data);
        for (int k = call->nargs - call->outputs; k < call->nargs; k++)
            if (call->cast[k])
                call->cast[k]((char *[]){part[k], args[k] + done * steps[k]}, &n, (npy_intp[]){step[k], steps[k]}, NULL);
    }
}

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

/* ------------------------------------------------------------------ checking */

static int refuse(const char *why) {
    PyErr_SetString(PyExc_ValueError, why);
    return -1;
}

/* Keep an object, once: of a view what owns its memory, at the end of its chain of bases. */
static int keep(PyObject *kept, PyObject *object) {
    PyObject *base;
    int failed = 0;
    Py_INCREF(object);
    while ((base = PyObject_GetAttrString(object, "base")) && base != Py_None) {
        Py_DECREF(object);
        object = base;
    }
    Py_XDECREF(base);
    PyErr_Clear(); /* what has no base owns itself */
    Py_ssize_t k = PyList_GET_SIZE(kept);
    while (k > 0 && PyList_GET_ITEM(kept, k - 1) != object) k--;
    if (k == 0) failed = PyList_Append(kept, object);
    Py_DECREF(object);
    return failed;
}

/* Read a tuple of at most `most` integers; return how many, or -1. */
static int read_integers(PyObject *tuple, npy_intp *out, Py_ssize_t most) {
    if (!PyTuple_Check(tuple) || PyTuple_GET_SIZE(tuple) > most) return refuse("expected a short tuple of integers");
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(tuple); k++) {
        out[k] = PyLong_AsSsize_t(PyTuple_GET_ITEM(tuple, k));
        if (out[k] == -1 && PyErr_Occurred()) return -1;
    }
    return (int)PyTuple_GET_SIZE(tuple);
}

/* Add to the lowest and highest offset what an axis reaches. Doubles: no product of integers overflows. */
static void reach(double *low, double *high, npy_intp n, npy_intp stride) {
    double far = (double)(n - 1) * (double)stride;
    *(far < 0 ? low : high) += far;
}

static PyArrayObject *array_at(PyObject *arrays, int k) { return (PyArrayObject *)PyTuple_GET_ITEM(arrays, k); }
static int type_of(PyObject *arrays, int k) { return PyArray_TYPE(array_at(arrays, k)); }

/* Refuse an argument that would leave the memory of its array: at every position it reaches from low to high, and has
 * `bytes` there. */
static int check_reach(const Call *call, PyObject *arrays, int k, double low, double high, npy_intp bytes) {
    PyArrayObject *array = array_at(arrays, k);
    double least = 0, most = 0;
    for (int axis = 0; axis < call->axes; axis++) reach(&low, &high, call->shape[axis], call->strides[axis][k]);
    for (int axis = 0; axis < PyArray_NDIM(array); axis++) {
        if (PyArray_DIM(array, axis) == 0) return refuse("an array is empty");
        reach(&least, &most, PyArray_DIM(array, axis), PyArray_STRIDE(array, axis));
    }
    if (low < least || high + (double)bytes > most + (double)PyArray_ITEMSIZE(array))
        return refuse("a call reaches beyond the memory of its array");
    return 0;
}

/* The same of an argument that has n items of so many bytes, a step apart, at every position. */
static int check_items(const Call *call, PyObject *arrays, int k, npy_intp n, npy_intp step, npy_intp bytes) {
    double low = 0, high = 0;
    reach(&low, &high, n, step);
    return check_reach(call, arrays, k, low, high, bytes);
}

/* Read arrays, shape and strides of a call: the arguments of a loop, outermost axis first. */
static int read_walk(Call *call, PyObject *arrays, PyObject *shape, PyObject *strides, int outputs, PyObject *kept) {
    if (!PyTuple_Check(arrays) || !PyTuple_Check(strides)) return refuse("expected tuples of arrays and of strides");
    call->nargs = (int)PyTuple_GET_SIZE(arrays);
    call->outputs = outputs;
    if (call->nargs > ARGS || call->nargs <= outputs || PyTuple_GET_SIZE(strides) != call->nargs)
        return refuse("expected as many strides as arrays, and not more than a loop has");
    call->axes = read_integers(shape, call->shape, AXES);
    if (call->axes < 0) return -1;
    if (call->axes == 0) return refuse("expected at least one axis");
    for (int axis = 0; axis < call->axes; axis++)
        if (call->shape[axis] < 1) return refuse("expected axes of at least one element");
    for (int k = 0; k < call->nargs; k++) {
        npy_intp each[AXES];
        PyArrayObject *array = array_at(arrays, k);
        if (!PyArray_Check(array) || !PyArray_ISALIGNED(array) || !PyArray_ISNOTSWAPPED(array))
            return refuse("expected aligned arrays in native byte order");
        if (k >= call->nargs - outputs && !PyArray_ISWRITEABLE(array)) return refuse("the output is read-only");
        if (PyDataType_REFCHK(PyArray_DESCR(array))) return refuse("expected numbers, not objects");
        if (keep(kept, (PyObject *)array)) return -1;
        int n = read_integers(PyTuple_GET_ITEM(strides, k), each, AXES);
        if (n < 0) return -1;
        if (n != call->axes) return refuse("expected a stride for every axis");
        call->start[k] = PyArray_BYTES(array);
        for (int axis = 0; axis < n; axis++) {
            if (each[axis] % PyArray_DESCR(array)->alignment) return refuse("a stride breaks the alignment");
            call->strides[axis][k] = each[axis];
        }
    }
    for (int k = 0; k < call->nargs; k++) call->steps[k] = call->strides[call->axes - 1][k];
    call->joined = call->axes == 2;
    for (int k = 0; k < call->nargs; k++)
        call->joined &= call->strides[0][k] == call->shape[1] * call->strides[1][k];
    return 0;
}

/* The dtype of all arrays, float32 or float64, or -1 with an exception set. */
static int float_type(const Call *call, PyObject *arrays) {
    int type = type_of(arrays, 0);
    if (type != NPY_FLOAT && type != NPY_DOUBLE) return refuse("expected floats");
    for (int k = 1; k < call->nargs; k++)
        if (type_of(arrays, k) != type) return refuse("expected arrays of one dtype");
    return type;
}

/* Find the loop of a ufunc that has these dtypes. */
static int find_loop(const PyUFuncObject *ufunc, const npy_intp *wanted, Loop **loop, void **data) {
    for (int k = 0; k < ufunc->ntypes; k++) {
        int equal = 1;
        for (int arg = 0; arg < ufunc->nargs; arg++) equal &= ufunc->types[k * ufunc->nargs + arg] == wanted[arg];
        if (!equal) continue;
        *loop = ufunc->functions[k];
        *data = ufunc->data ? ufunc->data[k] : NULL;
        return 0;
    }
    return refuse("the ufunc has no loop for these dtypes");
}

/* Refuse core dimensions along which an argument of a ufunc would leave its array. */
static int check_core(const Call *call, const PyUFuncObject *ufunc, PyObject *arrays, int k) {
    double low = 0, high = 0;
    for (int d = 0; ufunc->core_enabled && d < ufunc->core_num_dims[k]; d++) {
        int place = ufunc->core_offsets[k] + d;
        npy_intp n = call->dims[1 + ufunc->core_dim_ixs[place]], step = call->steps[call->nargs + place];
        if (n < 1 || step % PyArray_DESCR(array_at(arrays, k))->alignment) return refuse("core dimensions do not fit");
        reach(&low, &high, n, step);
    }
    return check_reach(call, arrays, k, low, high, PyArray_ITEMSIZE(array_at(arrays, k)));
}

/* Where an argument of a ufunc has another dtype than its loop, find the cast that it goes through. */
static int read_cast(Call *call, PyObject *arrays, int k, int wanted) {
    int type = type_of(arrays, k), output = k >= call->nargs - call->outputs;
    if (type == wanted) return 0;
    PyArray_Descr *descr = PyArray_DescrFromType(wanted);
    if (!descr) return -1;
    call->width[k] = PyDataType_ELSIZE(descr);
    Py_DECREF(descr);
    call->cast[k] = output ? find_cast(wanted, type) : find_cast(type, wanted);
    call->own = 1;
    return call->cast[k] && call->width[k] <= WIDEST ? 0 : refuse("no such cast");
}

/* (ufunc, arrays, shape, strides, dtypes of the loop, core dimensions, core steps) */
static int read_ufunc(Call *call, PyObject *call_tuple, PyObject *kept) {
    PyUFuncObject *ufunc;
    PyObject *arrays, *shape, *strides, *types, *core, *core_steps;
    npy_intp wanted[ARGS];
    int dims = 0, steps = 0;
    if (!PyArg_ParseTuple(call_tuple, "OOOOOOO", &ufunc, &arrays, &shape, &strides, &types, &core, &core_steps)) return -1;
    if (keep(kept, (PyObject *)ufunc) || read_walk(call, arrays, shape, strides, ufunc->nout, kept)) return -1;
    if (call->nargs != ufunc->nargs || read_integers(types, wanted, ARGS) != ufunc->nargs)
        return PyErr_Occurred() ? -1 : refuse("expected an array and a dtype for every argument of the ufunc");
    if (find_loop(ufunc, wanted, &call->loop, &call->data)) return -1;
    if (ufunc->core_enabled) dims = ufunc->core_num_dim_ix;
    for (int k = 0; ufunc->core_enabled && k < ufunc->nargs; k++) steps += ufunc->core_num_dims[k];
    if (dims > CORE || read_integers(core, call->dims + 1, CORE) != dims)
        return PyErr_Occurred() ? -1 : refuse("expected the core dimensions of the ufunc");
    if (steps > CORE_STEPS || read_integers(core_steps, call->steps + call->nargs, CORE_STEPS) != steps)
        return PyErr_Occurred() ? -1 : refuse("expected the core steps of the ufunc");
    for (int k = 0; k < ufunc->nargs; k++)
        if (check_core(call, ufunc, arrays, k) || read_cast(call, arrays, k, (int)wanted[k])) return -1;
    if (call->own) {
        if (ufunc->core_enabled) return refuse("no such cast");
        call->inner = call->loop;
        call->inner_data = call->data;
        call->loop = with_casts;
    }
    return 0;
}

/* ("copy", (from, to), shape, strides) */
static int read_copy(Call *call, PyObject *arrays) {
    if (call->nargs != 2) return refuse("expected two arrays");
    int same = PyArray_EquivTypes(PyArray_DESCR(array_at(arrays, 0)), PyArray_DESCR(array_at(arrays, 1)));
    call->bytes = PyArray_ITEMSIZE(array_at(arrays, 1));
    call->own = 1;
    call->loop = same ? copy : find_cast(type_of(arrays, 0), type_of(arrays, 1));
    if (!call->loop) return refuse("no such cast");
    for (int k = 0; k < 2; k++)
        if (check_items(call, arrays, k, 1, 0, PyArray_ITEMSIZE(array_at(arrays, k)))) return -1;
    return 0;
}

/* ("take", (source, index, out), shape, strides, rows of the source, bytes of a row)
 * ("put_rows" or "add_rows", (source, index, out), shape, strides, rows of out, bytes of a row) */
static int read_indexed(Call *call, PyObject *arrays, npy_intp rows, npy_intp bytes, Loop *loop) {
    if (call->nargs != 3 || type_of(arrays, 1) != NPY_INT64) return refuse("expected source, int64 index and out");
    PyArrayObject *source = array_at(arrays, 0), *out = array_at(arrays, 2);
    int type = type_of(arrays, 0), named = loop == take ? 0 : 2; /* the array whose rows the index names */
    if (rows < 1 || bytes < 1 || !PyArray_EquivTypes(PyArray_DESCR(source), PyArray_DESCR(out)))
        return refuse("expected rows of one dtype");
    if (!loop && ((type != NPY_FLOAT && type != NPY_DOUBLE) || bytes % PyArray_ITEMSIZE(source)))
        return refuse("expected rows of floats");
    call->rows = rows, call->bytes = bytes, call->own = 1;
    call->loop = loop ? loop : type == NPY_FLOAT ? add_rows_float : add_rows_double;
    for (int k = 0; k < 3; k++)
        if (check_items(call, arrays, k, k == named ? rows : 1, bytes, k == 1 ? 8 : bytes)) return -1;
    return 0;
}

/* ("erf", (coefficients, from, to), shape, strides, how many coefficients) */
static int read_erf(Call *call, PyObject *arrays, npy_intp terms, PyObject *kept) {
    int type = float_type(call, arrays);
    if (type < 0) return -1;
    if (call->nargs != 3 || terms < 1) return refuse("expected three arrays of floats");
    for (int k = 0; k < 3; k++) {
        npy_intp size = PyArray_ITEMSIZE(array_at(arrays, k));
        if (call->steps[k] != (k ? size : 0)) return refuse("expected coefficients and contiguous vectors");
        if (check_items(call, arrays, k, k ? 1 : terms, size, size)) return -1;
    }
    PyObject *numpy = PyImport_ImportModule("numpy"), *exp = numpy ? PyObject_GetAttrString(numpy, "exp") : NULL;
    Py_XDECREF(numpy);
    if (!exp) return -1;
    npy_intp wanted[] = {type, type};
    int failed = keep(kept, exp) || find_loop((PyUFuncObject *)exp, wanted, &call->inner, &call->inner_data);
    Py_DECREF(exp);
    call->rows = terms, call->own = 1;
    call->loop = type == NPY_FLOAT ? erf_float : erf_double;
    return failed ? -1 : 0;
}

/* ("argmax", (from, to), shape, strides, length of the axis, its step) */
static int read_argmax(Call *call, PyObject *arrays, npy_intp length, npy_intp step) {
    if (call->nargs != 2 || type_of(arrays, 1) != NPY_INTP || length < 1) return refuse("expected an array and out");
    PyArrayObject *from = array_at(arrays, 0);
    call->loop = type_of(arrays, 0) == NPY_FLOAT ? argmax_float : type_of(arrays, 0) == NPY_DOUBLE ? argmax_double : NULL;
    if (!call->loop || step % PyArray_DESCR(from)->alignment) return refuse("expected floats");
    call->dims[1] = length, call->steps[2] = step;
    if (check_items(call, arrays, 0, length, step, PyArray_ITEMSIZE(from))) return -1;
    return check_items(call, arrays, 1, 1, 0, sizeof(npy_intp));
}

/* ("outer", (a, b, out), shape, strides, length of a row) */
static int read_outer(Call *call, PyObject *arrays, npy_intp length) {
    int type = float_type(call, arrays);
    if (type < 0) return -1;
    if (call->nargs != 3 || length < 1) return refuse("expected two arrays and out");
    call->loop = type == NPY_FLOAT ? outer_float : outer_double;
    call->dims[1] = length;
    npy_intp size = PyArray_ITEMSIZE(array_at(arrays, 0));
    for (int k = 0; k < 3; k++)
        if (check_items(call, arrays, k, k ? length : 1, size, size)) return -1;
    return 0;
}

/* (name of a fused loop, arrays, shape, strides): its arguments, and one more where s is to be written */
static int read_fused(Call *call, const char *name, PyObject *arrays) {
    size_t n = 0;
    while (n < FUSED_COUNT && strcmp(fused_loops[n].name, name)) n++;
    if (n == FUSED_COUNT)
        return refuse("expected \"copy\", \"take\", \"put_rows\", \"add_rows\", \"argmax\", \"outer\", \"erf\" or the name of a fused loop");
    int type = float_type(call, arrays), known = 0, numbers = 0, reads = 0;
    for (const char *at = fused_loops[n].arguments; (at = strchr(at, '(')); at++, known++) {
        numbers += at[-1] == 'R'; /* of NUMBER */
        reads += at[-1] == 'D';
    }
    int s_is_written = call->nargs == known + 1;
    if (type < 0) return -1;
    if (call->nargs != known && !s_is_written) return refuse("expected the arguments of the loop");
    for (int k = 0; k < call->nargs; k++) {
        npy_intp size = PyArray_ITEMSIZE(array_at(arrays, k));
        if (call->steps[k] != (k < numbers ? 0 : size)) return refuse("expected numbers and contiguous vectors");
        if (k >= numbers + reads && !PyArray_ISWRITEABLE(array_at(arrays, k))) return refuse("an output is read-only");
        if (check_items(call, arrays, k, 1, 0, size)) return -1;
    }
    call->loop = fused_loops[n].loops[s_is_written][type == NPY_DOUBLE];
    return 0;
}

static int read_call(Call *call, PyObject *item, PyObject *kept) {
    PyObject *arrays, *shape, *strides;
    const char *kind;
    npy_intp first = 0, second = 0;
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) < 2) return refuse("expected a tuple for every call");
    PyObject *head = PyTuple_GET_ITEM(item, 0);
    if (PyTuple_GET_SIZE(item) == 2) { /* (function, args): through Python */
        call->function = head, call->args = PyTuple_GET_ITEM(item, 1);
        if (!PyCallable_Check(head) || !PyTuple_Check(call->args))
            return refuse("expected a function and a tuple of its arguments");
        return PyList_Append(kept, item);
    }
    if (PyObject_TypeCheck(head, &PyUFunc_Type)) return read_ufunc(call, item, kept);
    if (!PyArg_ParseTuple(item, "sOOO|nn", &kind, &arrays, &shape, &strides, &first, &second)) return -1;
    if (read_walk(call, arrays, shape, strides, 1, kept)) return -1;
    if (!strcmp(kind, "copy")) return read_copy(call, arrays);
    if (!strcmp(kind, "take")) return read_indexed(call, arrays, first, second, take);
    if (!strcmp(kind, "put_rows")) return read_indexed(call, arrays, first, second, put_rows);
    if (!strcmp(kind, "add_rows")) return read_indexed(call, arrays, first, second, NULL);
    if (!strcmp(kind, "erf")) return read_erf(call, arrays, first, kept);
    if (!strcmp(kind, "argmax")) return read_argmax(call, arrays, first, second);
    if (!strcmp(kind, "outer")) return read_outer(call, arrays, first);
    return read_fused(call, kind, arrays);
}

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

/* ------------------------------------------------------------------ the type */

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
