// Sums over the whole grid, and tiles used again and again: what only an observer of every access sees go wrong.

// total[0] += sum of x, one atomic a block            block (64)
extern "C" __global__ void grid_sum(const float* x, float* total, int n) {
  __shared__ float warps[2];
  const int i = blockIdx.x * 64 + threadIdx.x;
  float sum = i < n ? x[i] : 0;
  for (int step = 16; step; step >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = sum;
  __syncthreads();
#ifdef MISSING_ATOMIC
  if (threadIdx.x == 0) *total += warps[0] + warps[1];
#else
  if (threadIdx.x == 0) atomicAdd(total, warps[0] + warps[1]);
#endif
}

// total[0] = sum of x, by the block that finishes last, always in the same order            block (32)
extern "C" __global__ void ordered_sum(const float* x, float* partial, unsigned* done, float* total, int n) {
  const int i = blockIdx.x * 32 + threadIdx.x;
  float sum = i < n ? x[i] : 0;
  for (int step = 16; step; step >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (threadIdx.x) return;
  partial[blockIdx.x] = sum;
#ifndef MISSING_FENCE
  __threadfence();
#endif
  if (atomicAdd(done, 1) != gridDim.x - 1) return;
  sum = 0;
  for (unsigned k = 0; k < gridDim.x; k++) sum += partial[k];
  *total = sum;
}

// y[i] = sum over tiles of x[tile, 31 - i]: the tile is written again in every round            block (32, 2)
extern "C" __global__ void mirrored_sum(const float* x, float* y, int tiles) {
  __shared__ float tile[64];
  const int t = threadIdx.y * 32 + threadIdx.x;
  float sum = 0;
  for (int k = 0; k < tiles; k++) {
    tile[t] = x[k * 64 + t];
    __syncthreads();
    sum += tile[63 - t];
#ifndef MISSING_BARRIER_BEFORE_REUSE
    __syncthreads();
#endif
  }
  y[t] = sum;
}

// most[0] = 1 if any x exceeds 1: every thread writes the same value, which is still a race            block (64)
extern "C" __global__ void any_large(const float* x, int* most, int n) {
  const int i = blockIdx.x * 64 + threadIdx.x;
#ifdef SAME_VALUE_RACE
  if (i < n && x[i] > 1) *most = 1;
#else
  if (i < n && x[i] > 1) atomicExch(most, 1);
#endif
}
