// The coming update's rows of two tables, its examples and its learning rates, and one step forward.
//
//   index = indices[step]      lr = rates[step]      step <- step + 1
//
//   indices (K, ...)   index (...)   int64, or null      rates (K, R)   lr (R)
//   step beyond the tables is held to their last row
//
// launch   grid ceil(longer row / BLOCK)   block BLOCK
// moves    16 bytes an index, 8 a rate in float32
//
// One launch where three would be mostly waiting for one another. Every block reads the step, so the block that is done
// last counts on.
//
// macros   REAL   BLOCK

extern "C" __global__ void __launch_bounds__(BLOCK)
next_rows(const long long* __restrict__ indices, long long* __restrict__ index, long long examples,
          const REAL* __restrict__ rates, REAL* __restrict__ lr, long long R, long long K, long long* step,
          int* arrived) {
  const long long now = *step < K ? *step : K - 1, i = (long long)blockIdx.x * BLOCK + threadIdx.x;
  if (i < examples) index[i] = indices[now * examples + i];
  if (i < R) lr[i] = rates[now * R + i];
  __syncthreads();  // everyone in this block has read the step
  if (threadIdx.x) return;
  __threadfence();
  if (atomicAdd(arrived, 1) < (int)gridDim.x - 1) return;
  *arrived = 0;  // nobody else comes, until the next launch
  *step += 1;
}
