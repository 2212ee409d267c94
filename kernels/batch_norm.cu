// Batch normalisation, forward and backward, over the whole batch or over ghost batches.
//
//   xhat = (x - mean) inv      inv = 1 / sqrt(var + eps)      y = gamma xhat + beta
//   dgamma = sum dy xhat      dbeta = sum dy      dx = gamma inv (dy - mean(dy) - xhat mean(dy xhat))
//
//   x, y, dy, dx    (R, n, C)   n = B for features, B H W for images (channels last): the same to these kernels;
//                               contiguous within a replica, replicas any distance apart
//   mean, inv       (R, G, C)   of every ghost batch, kept for backward, which computes xhat again from them
//   gamma, beta     (R, C)      inside the flat vectors, replicas some distance apart; null without affine
//   running_*       (R, C)      inside the flat vector of statistics
//
// Ghost g is the rows [g ghost, (g + 1) ghost), the last one everything to the end: it may be shorter or longer.
//
// moves    12 R n C bytes in float32 forward (x twice, y), 20 backward (x and dy twice, dx)
//
// launch   grid (ceil(C / CHANNELS), slabs, R G)   block (CHANNELS, DEEP), where nothing else is said
//
// A sum over the batch is a sum down columns. A block takes CHANNELS neighbouring columns, so that its loads are
// contiguous, and DEEP rows at a time; a slab of rows for each block, so that enough blocks run. The slabs' results
// are merged by a second kernel in a fixed order: the same bits every run. A thread has one channel of one ghost batch,
// whose numbers it reads once, and goes down it ROWS rows at a time: as many loads on their way, and no division for
// each element, neither of floats nor to find out where it belongs.
//
// macros   REAL   CHANNELS   DEEP (powers of two)          n C fewer than 2^31

#define BLOCK (CHANNELS * DEEP)
#define ROWS 4

// The place of a thread: its channel, and the rows of its ghost batch and slab.
#define PLACE                                                                                                  \
  const int c = blockIdx.x * CHANNELS + threadIdx.x, depth = threadIdx.y;                                      \
  const int r = blockIdx.z / G, g = blockIdx.z % G, slab = blockIdx.y, slabs = gridDim.y;                      \
  const Rows rows(g, G, ghost, n, slab, slabs);

// The rows of one slab of one ghost batch.
struct Rows {
  int first, last;
  __device__ __forceinline__ Rows(int g, int G, int ghost, int n, int slab, int slabs) {
    const int start = g * ghost, stop = g == G - 1 ? n : start + ghost, share = (stop - start + slabs - 1) / slabs;
    first = start + slab * share;
    last = min(stop, first + share);
  }
  __device__ __forceinline__ int count() const { return last > first ? last - first : 0; }

  // Hand the offsets of a thread's elements of column c to `take`, ROWS at a time and then one by one.
  template <class Take> __device__ __forceinline__ void down(int c, int C, int depth, Take take) const {
    int i = first + depth;
    for (; i + (ROWS - 1) * DEEP < last; i += ROWS * DEEP) {
      long long at[ROWS];
#pragma unroll
      for (int e = 0; e < ROWS; e++) at[e] = (long long)(i + e * DEEP) * C + c;
      take(at);
    }
    for (; i < last; i += DEEP) {
      const long long at[1] = {(long long)i * C + c};
      take(at);
    }
  }
};

// Mean and summed squared deviations of `count` numbers. Numbers join in small groups and these two by two (Chan et al.
// 1979), never through sum x^2 - n mean^2, whose digits cancel where the mean is large. One division a group.
struct Moments {
  REAL mean, squares;
  int count;
  template <int COUNT> __device__ __forceinline__ void add(const REAL (&x)[COUNT]) {
    Moments group{0, 0, COUNT};
#pragma unroll
    for (int e = 0; e < COUNT; e++) group.mean += x[e];
    group.mean *= (REAL)1 / COUNT;
#pragma unroll
    for (int e = 0; e < COUNT; e++) group.squares += (x[e] - group.mean) * (x[e] - group.mean);
    merge(group);
  }
  __device__ __forceinline__ void merge(const Moments& other) {
    if (!other.count) return;
    const int both = count + other.count;
    const REAL off = other.mean - mean, share = (REAL)other.count / both;
    mean += off * share;
    squares += other.squares + off * off * share * count;
    count = both;
  }
};

// ------------------------------------------------------------------ forward

// y = slope (x - centre) scale + shift, for elements whose loads are all on their way before the first is stored.
template <int COUNT>
__device__ __forceinline__ void put(const REAL* x, REAL* y, const long long* at, REAL centre, REAL scale, REAL slope,
                                    REAL shift) {
  REAL values[COUNT];
#pragma unroll
  for (int e = 0; e < COUNT; e++) values[e] = x[at[e]];
#pragma unroll
  for (int e = 0; e < COUNT; e++) y[at[e]] = slope * ((values[e] - centre) * scale) + shift;
}

extern "C" __global__ void __launch_bounds__(BLOCK)
moments(const REAL* __restrict__ x, REAL* __restrict__ partial_mean /* (R, G, slabs, C) */,
        REAL* __restrict__ partial_squares /* (R, G, slabs, C) */, int n, int C, int G, int ghost,
        long long x_replica) {
  __shared__ REAL means[DEEP][CHANNELS], squares[DEEP][CHANNELS];
  __shared__ int counts[DEEP];
  PLACE
  x += r * x_replica;

  Moments own{0, 0, 0};
  if (c < C)
    rows.down(c, C, depth, [&](auto& at) {
      constexpr int COUNT = sizeof at / sizeof *at;
      REAL values[COUNT];
#pragma unroll
      for (int e = 0; e < COUNT; e++) values[e] = x[at[e]];
      own.add(values);
    });
  means[depth][threadIdx.x] = own.mean;
  squares[depth][threadIdx.x] = own.squares;
  if (threadIdx.x == 0) counts[depth] = own.count;  // the first channel of a block is never past the last
  __syncthreads();

  if (depth || c >= C) return;
  for (int other = 1; other < DEEP; other++)
    own.merge({means[other][threadIdx.x], squares[other][threadIdx.x], counts[other]});
  const long long at = ((long long)blockIdx.z * slabs + slab) * C + c;
  partial_mean[at] = own.mean;
  partial_squares[at] = own.squares;
}

// Merge the slabs; then the running averages take in the ghost batches one after the other:
//   w' = (1 - rate) w + rate      running <- ((1 - rate) w running + rate (mean, and squares / (count - 1))) / w'
// grid (ceil(C / BLOCK), R)   block BLOCK, a thread a channel
extern "C" __global__ void __launch_bounds__(BLOCK)
moments_finish(const REAL* __restrict__ partial_mean, const REAL* __restrict__ partial_squares,
               REAL* __restrict__ mean, REAL* __restrict__ inv, REAL* __restrict__ running_mean,
               REAL* __restrict__ running_var, REAL* __restrict__ running_weight, int n, int C, int G, int ghost,
               int slabs, long long running_replica, REAL rate, REAL eps) {
  const int c = blockIdx.x * BLOCK + threadIdx.x, r = blockIdx.y;
  if (c >= C) return;
  running_mean += r * running_replica;
  running_var += r * running_replica;
  running_weight += r * running_replica;
  REAL kept_mean = running_mean[c], kept_var = running_var[c], weight = running_weight[c];
  for (int g = 0; g < G; g++) {
    Moments whole{0, 0, 0};
    for (int slab = 0; slab < slabs; slab++) {
      const long long at = (((long long)r * G + g) * slabs + slab) * C + c;
      whole.merge({partial_mean[at], partial_squares[at], Rows(g, G, ghost, n, slab, slabs).count()});
    }
    const long long at = ((long long)r * G + g) * C + c;
    mean[at] = whole.mean;
    inv[at] = 1 / sqrt(whole.squares / whole.count + eps);
    const REAL old = (1 - rate) * weight;
    weight = old + rate;
    kept_mean = (old * kept_mean + rate * whole.mean) / weight;
    kept_var = (old * kept_var + rate * (whole.squares / (whole.count - 1))) / weight;
  }
  running_mean[c] = kept_mean;
  running_var[c] = kept_var;
  running_weight[c] = weight;
}

// y = gamma xhat + beta.   y may be x
extern "C" __global__ void __launch_bounds__(BLOCK)
normalise(const REAL* x, const REAL* __restrict__ mean, const REAL* __restrict__ inv, const REAL* __restrict__ gamma,
          const REAL* __restrict__ beta, REAL* y, int n, int C, int G, int ghost, long long x_replica,
          long long y_replica, long long gamma_replica, long long beta_replica) {
  PLACE
  if (c >= C) return;
  x += r * x_replica;
  y += r * y_replica;
  const REAL centre = mean[(long long)blockIdx.z * C + c], scale = inv[(long long)blockIdx.z * C + c];
  const REAL slope = gamma ? gamma[r * gamma_replica + c] : (REAL)1, shift = gamma ? beta[r * beta_replica + c] : (REAL)0;
  rows.down(c, C, depth, [&](auto& at) { put<sizeof at / sizeof *at>(x, y, at, centre, scale, slope, shift); });
}

// Evaluation: y = gamma (x - running_mean) / sqrt(running_var + eps) + beta.   grid (ceil(C / CHANNELS), slabs, R)
extern "C" __global__ void __launch_bounds__(BLOCK)
infer(const REAL* x, const REAL* __restrict__ running_mean, const REAL* __restrict__ running_var,
      const REAL* __restrict__ gamma, const REAL* __restrict__ beta, REAL* y, int n, int C, long long x_replica,
      long long y_replica, long long running_replica, long long gamma_replica, long long beta_replica, REAL eps) {
  const int G = 1, ghost = n;
  PLACE
  if (c >= C) return;
  x += r * x_replica;
  y += r * y_replica;
  const REAL centre = running_mean[r * running_replica + c], scale = 1 / sqrt(running_var[r * running_replica + c] + eps);
  const REAL slope = gamma ? gamma[r * gamma_replica + c] : (REAL)1, shift = gamma ? beta[r * beta_replica + c] : (REAL)0;
  rows.down(c, C, depth, [&](auto& at) { put<sizeof at / sizeof *at>(x, y, at, centre, scale, slope, shift); });
}

// ------------------------------------------------------------------ backward

// Sums of dy and of dy xhat down the rows of a slab.
extern "C" __global__ void __launch_bounds__(BLOCK)
gradient_sums(const REAL* __restrict__ x, const REAL* __restrict__ dy, const REAL* __restrict__ mean,
              const REAL* __restrict__ inv, REAL* __restrict__ partial_dy /* (R, G, slabs, C) */,
              REAL* __restrict__ partial_dy_xhat /* (R, G, slabs, C) */, int n, int C, int G, int ghost,
              long long x_replica, long long dy_replica) {
  __shared__ REAL sums_dy[DEEP][CHANNELS], sums_dy_xhat[DEEP][CHANNELS];
  PLACE
  x += r * x_replica;
  dy += r * dy_replica;

  REAL sum_dy = 0, sum_dy_xhat = 0;
  if (c < C) {
    const REAL centre = mean[(long long)blockIdx.z * C + c], scale = inv[(long long)blockIdx.z * C + c];
    rows.down(c, C, depth, [&](auto& at) {
      constexpr int COUNT = sizeof at / sizeof *at;
      REAL slopes[COUNT], values[COUNT];
#pragma unroll
      for (int e = 0; e < COUNT; e++) slopes[e] = dy[at[e]], values[e] = x[at[e]];
#pragma unroll
      for (int e = 0; e < COUNT; e++) {
        sum_dy += slopes[e];
        sum_dy_xhat += slopes[e] * ((values[e] - centre) * scale);
      }
    });
  }
  sums_dy[depth][threadIdx.x] = sum_dy;
  sums_dy_xhat[depth][threadIdx.x] = sum_dy_xhat;
  __syncthreads();

  if (depth || c >= C) return;
  for (int other = 1; other < DEEP; other++) {
    sum_dy += sums_dy[other][threadIdx.x];
    sum_dy_xhat += sums_dy_xhat[other][threadIdx.x];
  }
  const long long at = ((long long)blockIdx.z * slabs + slab) * C + c;
  partial_dy[at] = sum_dy;
  partial_dy_xhat[at] = sum_dy_xhat;
}

// Add the slabs of each ghost batch, and the ghost batches to dbeta and dgamma.   launch as moments_finish
extern "C" __global__ void __launch_bounds__(BLOCK)
gradient_sums_finish(const REAL* __restrict__ partial_dy, const REAL* __restrict__ partial_dy_xhat,
                     REAL* __restrict__ sum_dy /* (R, G, C) */, REAL* __restrict__ sum_dy_xhat /* (R, G, C) */,
                     REAL* __restrict__ dgamma, REAL* __restrict__ dbeta, int C, int G, int slabs,
                     long long dgamma_replica, long long dbeta_replica) {
  const int c = blockIdx.x * BLOCK + threadIdx.x, r = blockIdx.y;
  if (c >= C) return;
  REAL all_dy = 0, all_dy_xhat = 0;
  for (int g = 0; g < G; g++) {
    REAL of_dy = 0, of_dy_xhat = 0;
    for (int slab = 0; slab < slabs; slab++) {
      const long long at = (((long long)r * G + g) * slabs + slab) * C + c;
      of_dy += partial_dy[at];
      of_dy_xhat += partial_dy_xhat[at];
    }
    sum_dy[((long long)r * G + g) * C + c] = of_dy;
    sum_dy_xhat[((long long)r * G + g) * C + c] = of_dy_xhat;
    all_dy += of_dy;
    all_dy_xhat += of_dy_xhat;
  }
  if (dgamma) {
    dgamma[r * dgamma_replica + c] = all_dy_xhat;
    dbeta[r * dbeta_replica + c] = all_dy;
  }
}

// dx = gamma inv (dy - sum_dy / count - xhat sum_dy_xhat / count).   dx may be dy
extern "C" __global__ void __launch_bounds__(BLOCK)
input_gradient(const REAL* __restrict__ x, const REAL* dy, const REAL* __restrict__ mean,
               const REAL* __restrict__ inv, const REAL* __restrict__ gamma, const REAL* __restrict__ sum_dy,
               const REAL* __restrict__ sum_dy_xhat, REAL* dx, int n, int C, int G, int ghost, long long x_replica,
               long long dy_replica, long long dx_replica, long long gamma_replica) {
  PLACE
  if (c >= C) return;
  x += r * x_replica;
  dy += r * dy_replica;
  dx += r * dx_replica;
  const long long of = (long long)blockIdx.z * C + c;
  const REAL centre = mean[of], scale = inv[of], share = (REAL)1 / Rows(g, G, ghost, n, 0, 1).count();
  const REAL mean_dy = sum_dy[of] * share, mean_dy_xhat = sum_dy_xhat[of] * share;
  const REAL factor = gamma ? gamma[r * gamma_replica + c] * scale : scale;
  rows.down(c, C, depth, [&](auto& at) {
    constexpr int COUNT = sizeof at / sizeof *at;
    REAL slopes[COUNT], values[COUNT];
#pragma unroll
    for (int e = 0; e < COUNT; e++) slopes[e] = dy[at[e]], values[e] = x[at[e]];
#pragma unroll
    for (int e = 0; e < COUNT; e++)
      dx[at[e]] = factor * (slopes[e] - mean_dy - (values[e] - centre) * scale * mean_dy_xhat);
  });
}
