// Sums of rows, a warp each: correct without a macro, wrong in one way with each.
//
//   sums[r] = sum of x[r, 0 .. C - 1]        block (32, warps), grid (ceil(R / warps))

extern "C" __global__ void warp_sum(const float* __restrict__ x, float* __restrict__ sums, int R, int C) {
  const int lane = threadIdx.x, r = blockIdx.x * blockDim.y + threadIdx.y;
  if (r >= R) return;  // whole warps leave together
#if defined(LANES_EXIT_BEFORE_SHUFFLE)
  if (lane >= C) return;
#endif
  float sum = 0;
  for (int c = lane; c < C; c += 32) sum += x[r * C + c];

#if defined(SHUFFLE_IN_BRANCH)
  if (lane < 16)
    for (int step = 8; step; step >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, step);
#elif defined(SHUFFLE_OUTSIDE_MASK)
  for (int step = 16; step; step >>= 1) sum += __shfl_xor_sync(0x0000ffffu, sum, step);
#elif defined(SHUFFLE_FROM_OUTSIDE_MASK)
  if (lane < 16) sum += __shfl_xor_sync(0x0000ffffu, sum, 16);
#elif defined(TWO_SHUFFLES)
  if (lane < 16)
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
  else
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
#elif defined(BARRIER_AGAINST_SHUFFLE)
  if (lane < 16)
    __syncthreads();
  else
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
#else
  for (int step = 16; step; step >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, step);
#endif
  if (lane == 0) sums[r] = sum;
}

// The same through shared memory, where a warp needs __syncwarp between writing and reading.
extern "C" __global__ void shared_warp_sum(const float* x, float* sums, int R, int C) {
  __shared__ float partial[8][32];
  const int lane = threadIdx.x, r = blockIdx.x * blockDim.y + threadIdx.y;
  if (r >= R) return;
  float sum = 0;
  for (int c = lane; c < C; c += 32) sum += x[r * C + c];
  float* row = partial[threadIdx.y];
  row[lane] = sum;
  for (int half = 16; half; half >>= 1) {
#ifndef MISSING_SYNCWARP
    __syncwarp();
#endif
    if (lane < half) row[lane] += row[lane + half];
  }
  if (lane == 0) sums[r] = row[0];
}
