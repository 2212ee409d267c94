// Sums along rows, for mean losses and gradient norms: the same bits every run.
//
//   out[r] = finish( sum_i map(x[r, i]) )      x (R, n)   out (R)
//
//   map      identity, or the square
//   finish   SCALE number * sum (a mean)   ROOT sqrt(sum) (a norm)   CLIP number / max(number, sqrt(sum))
//
// launch   grid (slabs, R)   block BLOCK; a block reduces one slab of a row to out[r * slabs + slab]
// moves    4 R n bytes in float32
//
// A long row takes two launches of the same kernel: slabs to partial sums, then the row of partial sums to one.
// Floating-point addition does not associate, so atomics, which add in whatever order blocks arrive, would change
// the last digits from run to run. Here every addition has its place: thread, lane, warp, slab. As a tree it is also
// more accurate than a running sum.
//
// macros   REAL   BLOCK

#define WARP 0xffffffffu
#define WARPS (BLOCK / 32)

enum { SCALE, ROOT, CLIP };

__device__ __forceinline__ REAL sum_of_warp(REAL value) {
#pragma unroll
  for (int apart = 16; apart; apart /= 2) value += __shfl_down_sync(WARP, value, apart);
  return value;  // in lane 0
}

extern "C" __global__ void __launch_bounds__(BLOCK)
reduce(const REAL* __restrict__ x, REAL* __restrict__ out /* (R, slabs) */, long long n, long long slab, int square,
       int finish, REAL number) {
  __shared__ REAL of_warp[WARPS];
  const int r = blockIdx.y;
  const long long first = blockIdx.x * slab, last = first + slab < n ? first + slab : n;
  x += r * n;

  REAL sum = 0;
  for (long long i = first + threadIdx.x; i < last; i += BLOCK) sum += square ? x[i] * x[i] : x[i];
  sum = sum_of_warp(sum);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = sum;
  __syncthreads();

  if (threadIdx.x >= 32) return;  // the first warp adds what the warps found
  sum = sum_of_warp(threadIdx.x < WARPS ? of_warp[threadIdx.x] : (REAL)0);
  if (threadIdx.x) return;
  const REAL root = sqrt(sum);
  REAL result = number * sum;
  if (finish == ROOT) result = root;
  if (finish == CLIP) result = number / (root < number ? number : root);  // NaN < number is false: NaN stays
  out[r * gridDim.x + blockIdx.x] = result;
}

// g <- factor g, the second half of clipping.   g (R, n)   factor (R)   grid (ceil(n / BLOCK), R)   moves 8 R n bytes
extern "C" __global__ void __launch_bounds__(BLOCK)
scale_rows(REAL* __restrict__ g, const REAL* __restrict__ factor, long long n) {
  const long long i = (long long)blockIdx.x * BLOCK + threadIdx.x;
  if (i < n) g[blockIdx.y * n + i] *= factor[blockIdx.y];
}
