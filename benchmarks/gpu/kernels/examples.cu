// One number for every example, found by one warp: is it right, and how long is its gradient?
//
// launch   grid ceil(R B / WARPS)   block WARPS * 32
//
// A warp walks along the rows of its example, lane by lane, and meets in shuffles: no shared memory, no barrier.
//
// macros   REAL   WARPS (a block)

#define WARP 0xffffffffu

// hit[r, b] = 1 if the largest logit is that of the label, else 0.
//   z (R, B, C)   label (R, B) int64   hit (R, B)         moves 4 R B C bytes in float32
// As the CPU's argmax: the first of equals, and the first NaN before any number.
__device__ __forceinline__ bool beats(REAL value, int c, REAL other, int other_c) {
  const bool nan = value != value, other_nan = other != other;
  if (nan || other_nan) return nan && (!other_nan || c < other_c);
  return value > other || (value == other && c < other_c);
}

extern "C" __global__ void __launch_bounds__(WARPS * 32)
hits(const REAL* __restrict__ z, const long long* __restrict__ label, REAL* __restrict__ hit, long long examples, int C) {
  const long long example = (long long)blockIdx.x * WARPS + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  if (example >= examples) return;  // a whole warp leaves together
  z += example * C;

  int best_c = lane < C ? lane : 0;
  REAL best = z[best_c];
  for (int c = lane + 32; c < C; c += 32)
    if (beats(z[c], c, best, best_c)) best = z[c], best_c = c;
#pragma unroll
  for (int apart = 16; apart; apart /= 2) {
    const REAL other = __shfl_xor_sync(WARP, best, apart);
    const int other_c = __shfl_xor_sync(WARP, best_c, apart);
    if (beats(other, other_c, best, best_c)) best = other, best_c = other_c;
  }
  if (lane == 0) hit[example] = best_c == label[example] ? (REAL)1 : (REAL)0;
}

// Squared norm of every example's gradient with respect to the weights of a dense layer. That gradient is the outer product of
// its x and its dy, so its norm is the product of theirs (Goodfellow 2015): no gradient is ever formed.
//   norm[r, b] = scale |dy[r, b]|^2 (|x[r, b]|^2 + bias)   added to what is there if accumulate
//   x (R, B, I)   dy (R, B, O)   norm (R, B)   bias 1 if the layer has one   scale B^2 where dy is of a mean loss
//   moves 4 R B (I + O) bytes in float32
__device__ __forceinline__ REAL squared_norm(const REAL* __restrict__ row, int length, int lane) {
  REAL sum = 0;
  for (int i = lane; i < length; i += 32) sum += row[i] * row[i];
#pragma unroll
  for (int apart = 16; apart; apart /= 2) sum += __shfl_xor_sync(WARP, sum, apart);
  return sum;
}

extern "C" __global__ void __launch_bounds__(WARPS * 32)
example_norms(const REAL* __restrict__ x, const REAL* __restrict__ dy, REAL* __restrict__ norm, long long examples,
              int I, int O, int bias, REAL scale, int accumulate) {
  const long long example = (long long)blockIdx.x * WARPS + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  if (example >= examples) return;
  const REAL squared = scale * squared_norm(dy + example * O, O, lane) * (squared_norm(x + example * I, I, lane) + bias);
  if (lane == 0) norm[example] = accumulate ? norm[example] + squared : squared;
}
