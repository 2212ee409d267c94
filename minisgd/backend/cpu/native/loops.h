/* What a call is, and the loops that are not NumPy's: copies, casts, rows taken, put and added, argmax, outer products,
 * erf, and ufuncs whose arguments have another dtype than their loop. The fused loops are in `fused_loops.h`.
 */
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
