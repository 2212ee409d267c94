// Sums of blocks through shared memory: correct without a macro, wrong in one way with each.
//
//   sums[k] = sum of x[256 k .. 256 k + 255], x[i] = 0 from n on        block (256), grid (ceil(n / 256))

extern "C" __global__ void block_sum(const float* __restrict__ x, float* __restrict__ sums, int n) {
#ifdef TOO_MUCH_SHARED
  __shared__ double partial[8192];
#else
  __shared__ float partial[256];
#endif
  const int t = threadIdx.x, i = blockIdx.x * 256 + t;

#if defined(EXIT_BEFORE_BARRIER)
  if (i >= n) return;
#endif

#if defined(READ_PAST_END)
  partial[t] = x[i];
#elif defined(UNWRITTEN_SHARED)
  if (i < n) partial[t] = x[i];
#elif defined(READ_BEFORE_FRONT)
  partial[t] = i < n ? x[i] + 0 * x[i - 1] : 0;
#elif defined(NULL_POINTER)
  const float* nothing = nullptr;
  partial[t] = nothing[t];
#else
  partial[t] = i < n ? x[i] : 0;
#endif

#if defined(BARRIER_IN_BRANCH)
  if (t < 128) __syncthreads();
#elif defined(TWO_BARRIERS)
  if (t < 128)
    __syncthreads();
  else
    __syncthreads();
#elif !defined(MISSING_BARRIER_AFTER_LOAD)
  __syncthreads();
#endif

  for (int half = 128; half; half >>= 1) {
    if (t < half) partial[t] += partial[t + half];
#if !defined(MISSING_BARRIER_IN_TREE)
    __syncthreads();
#endif
  }

#if defined(SHARED_INDEX)
  if (t == 255) partial[t + 1] = 0;
#elif defined(SHARED_POINTER)
  float* last = partial + 255;
  if (t == 255) last[1] = 0;
#elif defined(SHARED_POINTER_BEFORE)
  float* first = partial;
  if (t == 0) first[-1] = 0;
#elif defined(LOCAL_INDEX)
  int digits[4] = {0, 1, 2, 3};
  if (digits[(t + n) & 7] == 9) partial[t] = 0;
#elif defined(DIVISION_BY_ZERO)
  if (n / (t - 7) == 12345) partial[t] = 0;
#elif defined(ENDLESS)
  for (;;) sums[blockIdx.x] += partial[t];
#endif

#if defined(WRITE_PAST_END)
  if (t == 0) sums[blockIdx.x + 1] = partial[0];
#elif defined(WRITE_BEFORE_FRONT)
  if (t == 0) sums[(int)blockIdx.x - 1] = partial[0];
#endif
  if (t == 0) sums[blockIdx.x] = partial[0];
}

// The same with dynamic shared memory.
extern "C" __global__ void __launch_bounds__(256) dynamic_sum(const float* x, float* sums, int n) {
  extern __shared__ float partial[];
  const int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
  partial[t] = i < n ? x[i] : 0;
  __syncthreads();
#ifdef DYNAMIC_INDEX
  if (t == 0) partial[blockDim.x] = 0;
#endif
  for (int half = blockDim.x / 2; half; half >>= 1) {
    if (t < half) partial[t] += partial[t + half];
    __syncthreads();
  }
  if (t == 0) sums[blockIdx.x] = partial[0];
}

// y = 2 x by vectors of four; n is a multiple of four.
extern "C" __global__ void twice(const float* x, float* y, int n) {
#ifdef MISALIGNED_SHARED
  __shared__ float copy[1028];
  copy[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  const float2 pair = *reinterpret_cast<const float2*>(copy + 1 + 2 * threadIdx.x);
  if (pair.x == 12345) y[0] = pair.y;
#endif
  const int i = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= n) return;
  const float4 four = *reinterpret_cast<const float4*>(x + i);
  *reinterpret_cast<float4*>(y + i) = make_float4(2 * four.x, 2 * four.y, 2 * four.z, 2 * four.w);
}

// y[i] = x[n - 1 - i], where a thread may look one element too far without using what it saw.
extern "C" __global__ void mirror(const float* x, float* y, int n) {
  const int i = threadIdx.x;
  if (i >= n) return;
#ifdef UNUSED_READ_PAST_END
  const float ahead = x[n - i], here = x[n - 1 - i];
  y[i] = fminf(here, fmaxf(ahead, here));  // here, even where ahead is NaN
#else
  y[i] = x[n - 1 - i];
#endif
}
