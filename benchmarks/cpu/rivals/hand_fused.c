/* A training step of a multilayer perceptron, fused by hand for nothing else: ReLU, softmax cross-entropy, SGD with momentum.
 *
 * No gradient of a weight is ever in memory: a tile of xᵀ dy stays in registers until it has moved v and w. Sums are taken
 * in whatever order is fastest. All widths are multiples of LANES: what is added to fill them up is and stays 0. Products
 * of many rows are better left to a BLAS, which packs its operands, and beats these tiles.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif
enum { TALL = 4, MOST_LAYERS = 8 };
typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define AT(p) (*(vec *)(p))
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

/* What becomes of a sum over k: y = max(sum + bias, least), dx = sum where x > 0, or v = μ v + sum, w = w − lr v. */
typedef struct {
  enum { FORWARD, BACK, UPDATE } kind;
  float *out; /* y, dx or w: element (i, j) at i step + j, as in the others */
  long step;
  const float *bias; float least;
  const float *x;
  float *v, lr, momentum;
} Result;

INLINE void finish(const Result *r, long i, long j, vec sum) {
  float *out = r->out + i * r->step + j;
  if (r->kind == FORWARD) {
    sum += AT(r->bias + j);
    for (int k = 0; k < LANES; k++) out[k] = sum[k] > r->least ? sum[k] : r->least;
  } else if (r->kind == BACK) {
    const float *x = r->x + i * r->step + j;
    for (int k = 0; k < LANES; k++) out[k] = x[k] > 0 ? sum[k] : 0;
  } else {
    float *v = r->v + i * r->step + j;
    sum += r->momentum * AT(v);
    AT(v) = sum;
    AT(out) -= r->lr * sum;
  }
}

/* rows × n vectors of Σ_k a(i, k) b(k, j): element (i, k) of a lies at i down + k along, (k, j) of b at k N + j */
INLINE void tile(int rows, int n, const float *a, long down, long along, const float *b, long N, long K, Result r, long i, long j) {
  vec sum[rows][n];
  UNROLL for (int p = 0; p < rows; p++) UNROLL for (int q = 0; q < n; q++) sum[p][q] = (vec){0};
  for (long k = 0; k < K; k++)
    UNROLL for (int p = 0; p < rows; p++)
      UNROLL for (int q = 0; q < n; q++) sum[p][q] += a[(i + p) * down + k * along] * AT(b + k * N + j + q * LANES);
  UNROLL for (int p = 0; p < rows; p++) UNROLL for (int q = 0; q < n; q++) finish(&r, i + p, j + q * LANES, sum[p][q]);
}

typedef struct { const float *a; long down, along; const float *b; long M, N, K; Result result; } Product;

/* As many vectors as there are, up to a power of two; one row has registers for 16, TALL rows for 4 each. */
INLINE int fitting(long left, int rows) {
  int n = rows == 1 ? 16 : 4;
  while (n > left) n /= 2;
  return n;
}

static void tiles(int rows, int n, const Product *p, long i, long j) {
#define CASE(R, n) case 100 * R + n: tile(R, n, p->a, p->down, p->along, p->b, p->N, p->K, p->result, i, j); return;
  switch (100 * rows + n) { CASE(TALL, 4) CASE(TALL, 2) CASE(TALL, 1) CASE(1, 16) CASE(1, 8) CASE(1, 4) CASE(1, 2) CASE(1, 1) }
}

static void product(Product p) {
  long all = p.N / LANES;
  if (p.M > 1 && p.K > p.M)  /* b is large: a few of its columns stay in the cache for all rows */
    for (long j = 0, n; j < all; j += n) {
      n = fitting(all - j, TALL);
      for (long i = 0, rows; i < p.M; i += rows) tiles(rows = p.M - i < TALL ? 1 : TALL, n, &p, i, j * LANES);
    }
  else
    for (long i = 0, rows; i < p.M; i += rows) {
      rows = p.M - i < TALL ? 1 : TALL;
      for (long j = 0, n; j < all; j += n) tiles(rows, n = fitting(all - j, rows), &p, i, j * LANES);
    }
}

/* Wᵀ (O, I), so that a product reads its rows */
static void transpose(const float *w, float *out, long I, long O) {
  for (long i = 0; i < I; i += LANES)
    for (long j = 0; j < O; j++)
      for (long k = 0; k < LANES; k++) out[j * I + i + k] = w[(i + k) * O + j];
}

/* dx (I,) = W dy where x > 0: for one example, sums along the rows of W */
static void back_one(const float *dy, const float *w, const float *x, float *dx, long I, long O) {
  for (long i = 0; i < I; i++) {
    vec sum = {0};
    for (long j = 0; j < O; j += LANES) sum += AT(dy + j) * AT(w + i * O + j);
    float all = 0;
    for (int k = 0; k < LANES; k++) all += sum[k];
    dx[i] = x[i] > 0 ? all : 0;
  }
}

/* Mean loss of logits z (B, wide), of which C are true ones; they become its gradient. */
static double loss(float *z, const int64_t *y, const int64_t *rows, long B, long C, long wide) {
  double total = 0;
  for (long b = 0; b < B; b++, z += wide) {
    float top = z[0], sum = 0, own = z[y[rows[b]]];
    for (long c = 1; c < C; c++) top = z[c] > top ? z[c] : top;
    for (long c = 0; c < C; c++) sum += z[c] = expf(z[c] - top);
    total += logf(sum) - (own - top);
    for (long c = 0; c < C; c++) z[c] = z[c] / sum / B;
    z[y[rows[b]]] -= 1.0f / B;
  }
  return total / B;
}

/* Take steps over the rows of x (N, width[0]) and y (N,) that order names, and return the last one's mean loss.
 *
 * weights, velocities: W (I, O), b (O,) of every layer, one behind the other   room: for two activations of a batch a layer,
 * then for the largest W
 */
double train(const float *x, const int64_t *y, const int64_t *order, long steps, long B, const long *width, long layers, long C,
             float *weights, float *velocities, float *room, float lr, float momentum) {
  double last = 0;
  for (long step = 0; step < steps; step++, order += B) {
    float *h[MOST_LAYERS + 1], *d[MOST_LAYERS + 1], *w[MOST_LAYERS], *rest = room, *p = weights;
    for (long l = 0; l <= layers; l++) { h[l] = rest; d[l] = rest + B * width[l]; rest += 2 * B * width[l]; }
    for (long b = 0; b < B; b++) memcpy(h[0] + b * width[0], x + order[b] * width[0], sizeof(float) * width[0]);
    for (long l = 0; l < layers; l++) {
      long I = width[l], O = width[l + 1];
      float least = l + 1 < layers ? 0 : -INFINITY;
      Result y = {.kind = FORWARD, .out = h[l + 1], .step = O, .bias = p + I * O, .least = least};
      product((Product){h[l], I, 1, p, B, O, I, y});
      w[l] = p;
      p += I * O + O;
    }
    last = loss(h[layers], y, order, B, C, width[layers]);
    float *dy = h[layers];
    for (long l = layers - 1; l >= 0; l--) {
      long I = width[l], O = width[l + 1];
      float *v = velocities + (w[l] - weights), *bw = w[l] + I * O, *bv = v + I * O;
      if (l && B == 1) back_one(dy, w[l], h[l], d[l], I, O);
      else if (l) {
        transpose(w[l], rest, I, O);
        product((Product){dy, O, 1, rest, B, I, O, {.kind = BACK, .out = d[l], .step = I, .x = h[l]}});
      }
      Result moved = {.kind = UPDATE, .out = w[l], .step = O, .v = v, .lr = lr, .momentum = momentum};
      product((Product){h[l], 1, I, dy, I, O, B, moved});
      for (long j = 0; j < O; j++) {
        float sum = 0;
        for (long b = 0; b < B; b++) sum += dy[b * O + j];
        bv[j] = momentum * bv[j] + sum;
        bw[j] -= lr * bv[j];
      }
      dy = d[l];
    }
  }
  return last;
}
