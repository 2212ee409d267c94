/* Fused loops: consecutive elementwise calls as one, so that what one writes and the next reads stays in a register.
 *
 * The assignments of a loop are the calls of a program, in their order; `fused_loops.py` reads them from here and looks
 * for calls that say the same. Each is rounded as NumPy rounds it: the compiler must not contract a product and a sum
 * to one operation (-ffp-contract=off). Arrays of different names share no memory.
 *
 * NUMBER stays the same along the loop; READ and WRITE are contiguous. The intermediate result s is WRITTEN too, to one
 * more array, the last, if somebody reads it later.
 */
#define NUMBER(k, name) const T name = *(const T *)args[k];
#define READ(k, name) const T *__restrict name = (const T *)args[k];
#define WRITE(k, name) T *__restrict name = (T *)args[k];
#define WRITTEN(k) T *__restrict written = (T *)args[k];

#define FUSED_LOOPS(FUSED)                                                                          \
    FUSED(momentum, NUMBER(0, a) NUMBER(1, b) READ(2, g) WRITE(3, v) WRITE(4, w), WRITTEN(5),       \
          v[i] = v[i] * a; v[i] = v[i] + g[i]; s = v[i] * b; w[i] = w[i] - s)                       \
    FUSED(average, NUMBER(0, a) NUMBER(1, b) READ(2, x) WRITE(3, m), WRITTEN(4),                    \
          m[i] = m[i] * a; s = x[i] * b; m[i] = m[i] + s)                                           \
    FUSED(average_of_squares, NUMBER(0, a) NUMBER(1, b) READ(2, x) WRITE(3, m), WRITTEN(4),         \
          s = x[i] * x[i]; m[i] = m[i] * a; s = s * b; m[i] = m[i] + s)                             \
    FUSED(step_by_ratio, NUMBER(0, a) NUMBER(1, b) READ(2, m) READ(3, v) WRITE(4, w), WRITTEN(5),   \
          s = root(v[i]); s = s + a; s = m[i] / s; s = s * b; w[i] = w[i] - s)                      \
    FUSED(add_scaled, NUMBER(0, a) READ(1, x) WRITE(2, y), WRITTEN(3),                              \
          s = x[i] * a; y[i] = y[i] + s)                                                            \
    FUSED(subtract_scaled, NUMBER(0, a) READ(1, x) WRITE(2, y), WRITTEN(3),                         \
          s = x[i] * a; y[i] = y[i] - s)

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

#define LOOP(name, type, square_root, arguments, last, ...)                                         \
    FOR_EACH_PROCESSOR static void name(char **args, const npy_intp *dims, const npy_intp *steps, void *unused) { \
        typedef type T;                                                                             \
        T (*const root)(T) = square_root;                                                           \
        (void)steps, (void)unused, (void)root;                                                      \
        arguments last                                                                              \
        for (npy_intp i = 0; i < dims[0]; i++) { T s; __VA_ARGS__; }                                \
    }
#define LOOPS(name, arguments, last, ...)                                                           \
    LOOP(name##_float, npy_float, sqrtf, arguments, , __VA_ARGS__)                                  \
    LOOP(name##_double, npy_double, sqrt, arguments, , __VA_ARGS__)                                 \
    LOOP(name##_float_written, npy_float, sqrtf, arguments, last, __VA_ARGS__; written[i] = s)      \
    LOOP(name##_double_written, npy_double, sqrt, arguments, last, __VA_ARGS__; written[i] = s)
#define ROW(name, arguments, last, ...)                                                             \
    {#name, #arguments, #__VA_ARGS__, {{name##_float, name##_double}, {name##_float_written, name##_double_written}}},

FUSED_LOOPS(LOOPS)
static const struct {
    const char *name, *arguments, *assignments;
    Loop *loops[2][2]; /* without and with s; of floats and of doubles */
} fused_loops[] = {FUSED_LOOPS(ROW)};
enum { FUSED_COUNT = sizeof fused_loops / sizeof *fused_loops };
