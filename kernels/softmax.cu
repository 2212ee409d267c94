// Softmax of rows, with scores left out that must not count, and its gradient.
//
//   P = e^(S - top) / sum e^(S - top), top = max S, over the s that count; 0 for the others, and in a row with none
//   dS = P (dP - sum dP P)
//
//   S, P, dP, dS   (R, n, F)   P may be S, dS may be dP
//   hidden         (R, B, F)   added to the scores of an example's n / B rows: 0, or far below LEAST to leave one out; or null
//   causal         row i counts only s <= i % F: of F queries and F keys, those that do not come after
//
// launch   grid (ceil(n / WARPS), R)   block WARPS * 32, a warp a row
// moves    8 R n F bytes in float32 forward, 12 backward
//
// A warp walks its row three times, but only the first walk goes to memory: a row fits in the first-level cache.
// A NaN score is skipped by fmax but not by the sum, so it shows in its whole row.
//
// macros   REAL   WARPS (a power of two, at most 32)   LEAST

#define WARP 0xffffffffu

__device__ __forceinline__ REAL sum_of_warp(REAL value) {
#pragma unroll
  for (int apart = 16; apart; apart /= 2) value += __shfl_xor_sync(WARP, value, apart);
  return value;  // in every lane
}

__device__ __forceinline__ REAL largest_of_warp(REAL value) {
#pragma unroll
  for (int apart = 16; apart; apart /= 2) value = fmax(value, __shfl_xor_sync(WARP, value, apart));
  return value;
}

extern "C" __global__ void __launch_bounds__(WARPS * 32)
softmax(const REAL* S, const REAL* __restrict__ hidden, REAL* P /* may be S */, int n, int F, int rows_of_example,
        int causal) {
  const int i = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32, r = blockIdx.y;
  if (i >= n) return;  // a whole warp leaves together
  const int count = causal ? i % F + 1 : F;
  const long long row = (long long)r * n + i;
  S += row * F;
  P += row * F;
  if (hidden) hidden += ((long long)r * (n / rows_of_example) + i / rows_of_example) * F;

  REAL top = hidden ? (REAL)(LEAST) : S[0];
  for (int s = lane; s < count; s += 32) top = fmax(top, hidden ? S[s] + hidden[s] : S[s]);
  top = largest_of_warp(top);
  REAL total = 0;
  for (int s = lane; s < count; s += 32) {
    const REAL share = exp((hidden ? S[s] + hidden[s] : S[s]) - top);
    total += share;
    P[s] = share;
  }
  total = sum_of_warp(total);
  if (total < 1) total = 1;  // every row that counts anything has e^0 in its sum
  for (int s = lane; s < F; s += 32) P[s] = s < count ? P[s] / total : (REAL)0;
}

extern "C" __global__ void __launch_bounds__(WARPS * 32)
softmax_dx(const REAL* __restrict__ P, const REAL* dP, REAL* dS /* may be dP */, int n, int F) {
  const int i = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32, r = blockIdx.y;
  if (i >= n) return;
  const long long row = (long long)r * n + i;
  P += row * F;
  dP += row * F;
  dS += row * F;

  REAL dot = 0;
  for (int s = lane; s < F; s += 32) dot += dP[s] * P[s];
  dot = sum_of_warp(dot);
  for (int s = lane; s < F; s += 32) dS[s] = P[s] * (dP[s] - dot);
}
