// Scatter of rows, the transpose of a gather: the gradient of an embedding, and rows that return to where they were.
//
//   add_rows   out[v, :] = sum over n with index[n] = v of a[n, :], for every v that the index names
//   put_rows   out[index[n], :] = a[n, :]; rows with the same index are the same
//
//   a       (N, D)
//   index   (N)      int64; held to [0, V - 1], as in a gather
//   out     (V, D)   rows that the index does not name stay as they are
//
// launch   add_rows: grid (N, ceil(D / 32))   block (32, WARPS)      put_rows: grid ceil(N D / BLOCK)   block BLOCK
// moves    8 N D bytes in float32, and 8 N of index
//
// A row of out belongs to the block of the first n that names it; the blocks of the others leave. Each warp looks through
// a share of the later n, 32 at a time, and adds up what it finds in their order; the shares are added in order. So
// no sum is atomic, and the same bits every run. Every block reads the index, which stays in the cache: N / 32 loads a block are
// little up to some ten thousand tokens.
//
// macros   REAL   WARPS   BLOCK

#define WARP 0xffffffffu

__device__ __forceinline__ long long held(long long v, long long V) { return v < 0 ? 0 : v < V ? v : V - 1; }

extern "C" __global__ void __launch_bounds__(32 * WARPS)
add_rows(const REAL* __restrict__ a, const long long* __restrict__ index, REAL* __restrict__ out, int N, int D,
         long long V) {
  __shared__ REAL sums[WARPS][32];
  const int n = blockIdx.x, d = blockIdx.y * 32 + threadIdx.x;
  const long long v = held(index[n], V);

  int earlier = 0;
  for (int m = threadIdx.y * 32 + threadIdx.x; m < n && !earlier; m += 32 * WARPS) earlier = held(index[m], V) == v;
  if (__syncthreads_or(earlier)) return;  // the whole block

  const int share = (N - n + WARPS - 1) / WARPS, first = n + threadIdx.y * share, last = min(N, first + share);
  REAL sum = 0;
  for (int start = first; start < last; start += 32) {
    const int m = start + threadIdx.x;
    for (unsigned found = __ballot_sync(WARP, m < last && held(index[m], V) == v); found; found &= found - 1)
      if (d < D) sum += a[(long long)(start + __ffs(found) - 1) * D + d];
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();

  if (threadIdx.y || d >= D) return;
  for (int other = 1; other < WARPS; other++) sum += sums[other][threadIdx.x];
  out[v * D + d] = sum;
}

// Several threads may put the same number to one element: an exchange, as two plain writes at a time are a race.
__device__ __forceinline__ void put(float* p, float value) { atomicExch(p, value); }
__device__ __forceinline__ void put(double* p, double value) {
  atomicExch((unsigned long long*)p, *(unsigned long long*)&value);
}

extern "C" __global__ void __launch_bounds__(BLOCK)
put_rows(const REAL* __restrict__ a, const long long* __restrict__ index, REAL* __restrict__ out, int elements, int D,
         long long V) {
  const long long i = (long long)blockIdx.x * BLOCK + threadIdx.x;
  if (i < elements) put(out + held(index[(int)i / D], V) * D + (int)i % D, a[i]);
}
