// Shared memory that is filled by copies which no thread waits for by itself: y[i] = x[63 - i].
extern "C" __global__ void __launch_bounds__(64) mirrored_copy(const float* x, float* y) {
  __shared__ float panel[64];
  __pipeline_memcpy_async(&panel[threadIdx.x], &x[threadIdx.x], sizeof(float));
  __pipeline_commit();
#ifndef MISSING_WAIT
  __pipeline_wait_prior(0);
#endif
#ifndef MISSING_BARRIER_AFTER_WAIT
  __syncthreads();
#endif
  y[threadIdx.x] = panel[63 - threadIdx.x];
}
