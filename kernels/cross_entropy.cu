// Softmax cross-entropy, forward and backward in one pass: z is read once from memory, dz written once.
//
//   p = softmax(z)      loss = weight (ln sum_c e^(z_c - top) - sum_c t_c (z_c - top))      top = max_c z_c
//   dz = weight / B (p - t)
//
//   z, dz    (R, B, C)   logits, and the gradient of the mean loss by them; dz may be z itself
//   label    (R, B)      int64; the row t of its class is (1 - smoothing) [c = label] + smoothing / C
//   target   (R, B, C)   probabilities instead of labels, smoothed the same way        (soft_cross_entropy)
//   weight   (R, B)      of every example, or null
//   loss     (R, B)      of every example, times its weight
//   value    (R)         sum of loss, or null; then also total (R) float64 += value, unless null
//   arrived  (R)         blocks of a replica that are done; zero between launches; null without value
//
// launch   grid (ceil(B / (BLOCK / LANES)), R)   block BLOCK: LANES threads share an example
// moves    8 R B C bytes in float32
//
// The block of a replica that is done last adds up its losses, in the order of the examples: the same bits every run.
//
// LANES is the power of two next to C, at most the 32 of a warp, so that ten classes occupy 16 lanes and no
// warp idles. The lanes of an example meet in shuffles, never in shared memory. The three walks over a row
// (largest, sum, gradient) read memory once: the second and third find it in the first-level cache.
// A NaN logit is skipped by fmax but not by the sum, so it shows in the loss and in every gradient of its row.
//
// macros   REAL   BLOCK   LANES

#define EXAMPLES_PER_BLOCK (BLOCK / LANES)
#define WARP 0xffffffffu

__device__ __forceinline__ REAL largest_of_lanes(REAL value) {
#pragma unroll
  for (int apart = LANES / 2; apart; apart /= 2) value = fmax(value, __shfl_xor_sync(WARP, value, apart));
  return value;
}

// A butterfly: every lane adds the same pairs in the same order, so all get the same bits.
__device__ __forceinline__ REAL sum_of_lanes(REAL value) {
#pragma unroll
  for (int apart = LANES / 2; apart; apart /= 2) value += __shfl_xor_sync(WARP, value, apart);
  return value;
}

struct OneClass {  // t of an integer label
  long long label;
  __device__ REAL operator()(int c) const { return c == label ? (REAL)1 : (REAL)0; }
};

struct Probabilities {  // t given in full
  const REAL* __restrict__ row;  // (C)
  __device__ REAL operator()(int c) const { return row[c]; }
};

template <class Target>
__device__ __forceinline__ void
cross_entropy_of(const REAL* z, Target t, const REAL* weight, REAL* loss, REAL* dz, long long example, bool present,
                 int B, int C, REAL smoothing) {
  const int lane = threadIdx.x % LANES;
  const int count = present ? C : 0;  // lanes past the last example read nothing, but meet the others in shuffles
  const REAL hard = 1 - smoothing, even = smoothing / C;
  z += example * C;
  dz += example * C;

  REAL top = present ? z[lane < C ? lane : 0] : (REAL)0;  // starting at an element needs no infinity
  for (int c = lane; c < count; c += LANES) top = fmax(top, z[c]);
  top = largest_of_lanes(top);

  REAL total = 0, wanted = 0;
  for (int c = lane; c < count; c += LANES) {
    const REAL below = z[c] - top, share = hard * t(c) + even;
    total += exp(below);
    if (share != 0) wanted += share * below;  // a class that nobody wants may have probability 0: 0 * -inf is NaN
  }
  total = sum_of_lanes(total);
  wanted = sum_of_lanes(wanted);

  if (!present) return;  // not before the last shuffle: lanes that leave early would be waited for
  const REAL importance = weight ? weight[example] : (REAL)1;
  const REAL scale = importance / B, inverse = 1 / total;
  for (int c = lane; c < C; c += LANES) dz[c] = scale * (exp(z[c] - top) * inverse - (hard * t(c) + even));
  if (lane == 0) loss[example] = importance * (log(total) - wanted);
}

// value = sum of loss (B), total += value, by the last of the blocks of a replica.
__device__ __forceinline__ void add_up(const REAL* loss, REAL* value, double* total, int* arrived, int B) {
  __shared__ int last;
  __shared__ REAL sums[BLOCK];
  __threadfence();  // what this thread wrote is there before its block has arrived
  __syncthreads();
  if (threadIdx.x == 0) {
    last = atomicAdd(arrived, 1) == (int)gridDim.x - 1;
    if (last) *arrived = 0;  // nobody else comes, until the next launch
  }
  __syncthreads();
  if (!last) return;
  __threadfence();
  REAL sum = 0;
  for (int i = threadIdx.x; i < B; i += BLOCK) sum += __ldcg(loss + i);  // not from a cache of this SM
  sums[threadIdx.x] = sum;
  __syncthreads();
#pragma unroll
  for (int apart = BLOCK / 2; apart; apart /= 2) {
    if (threadIdx.x < apart) sums[threadIdx.x] += sums[threadIdx.x + apart];
    __syncthreads();
  }
  if (threadIdx.x) return;
  *value = sums[0];
  if (total) *total += sums[0];
}

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
cross_entropy(const REAL* z, const long long* __restrict__ label, const REAL* __restrict__ weight, REAL* loss, REAL* dz,
              REAL* value, double* total, int* arrived, int B, int C, REAL smoothing) {
  const int r = blockIdx.y, i = blockIdx.x * EXAMPLES_PER_BLOCK + threadIdx.x / LANES;
  const long long example = (long long)r * B + i;
  const bool present = i < B;
  cross_entropy_of(z, OneClass{present ? label[example] : 0}, weight, loss, dz, example, present, B, C, smoothing);
  if (value) add_up(loss + (long long)r * B, value + r, total ? total + r : nullptr, arrived + r, B);
}

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
soft_cross_entropy(const REAL* z, const REAL* __restrict__ target, const REAL* __restrict__ weight, REAL* loss, REAL* dz,
                   REAL* value, double* total, int* arrived, int B, int C, REAL smoothing) {
  const int r = blockIdx.y, i = blockIdx.x * EXAMPLES_PER_BLOCK + threadIdx.x / LANES;
  const long long example = (long long)r * B + i;
  const bool present = i < B;
  cross_entropy_of(z, Probabilities{target + example * C}, weight, loss, dz, example, present, B, C, smoothing);
  if (value) add_up(loss + (long long)r * B, value + r, total ? total + r : nullptr, arrived + r, B);
}
