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
// A sum over the batch is a sum down columns. A block takes CHANNELS neighbouring columns, so that its loads are
// contiguous, and DEEP rows at a time; a slab of rows for each block, so that enough blocks run. The slabs' results
// are merged by a second kernel in a fixed order: the same bits every run.
//
// macros   REAL   CHANNELS   DEEP (powers of two)          n C fewer than 2^31

#define BLOCK (CHANNELS * DEEP)

// The rows of one slab of one ghost batch.
struct Rows {
  int first, last;
  __device__ __forceinline__ Rows(int g, int G, int ghost, int n, int slab, int slabs) {
    const int start = g * ghost, stop = g == G - 1 ? n : start + ghost, share = (stop - start + slabs - 1) / slabs;
    first = start + slab * share;
    last = min(stop, first + share);
  }
  __device__ __forceinline__ int count() const { return last > first ? last - first : 0; }
};

// Mean and summed squared deviations of `count` numbers. Numbers join one by one (Welford 1962) and groups two by
// two (Chan et al. 1979), never through sum x^2 - n mean^2, whose digits cancel where the mean is large.
struct Moments {
  REAL mean, squares;
  int count;
  __device__ __forceinline__ void add(REAL x) {
    const REAL off = x - mean;
    mean += off / ++count;
    squares += off * (x - mean);
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

// grid (ceil(C / CHANNELS), slabs, R G)   block (CHANNELS, DEEP)
extern "C" __global__ void __launch_bounds__(BLOCK)
moments(const REAL* __restrict__ x, REAL* __restrict__ partial_mean /* (R, G, slabs, C) */,
        REAL* __restrict__ partial_squares /* (R, G, slabs, C) */, int n, int C, int G, int ghost,
        long long x_replica) {
  __shared__ REAL means[DEEP][CHANNELS], squares[DEEP][CHANNELS];
  __shared__ int counts[DEEP];
  const int c = blockIdx.x * CHANNELS + threadIdx.x, depth = threadIdx.y;
  const int r = blockIdx.z / G, g = blockIdx.z % G, slab = blockIdx.y, slabs = gridDim.y;
  const Rows rows(g, G, ghost, n, slab, slabs);
  x += r * x_replica;

  Moments own{0, 0, 0};
  if (c < C)
    for (int i = rows.first + depth; i < rows.last; i += DEEP) own.add(x[(long long)i * C + c]);
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

// Merge the slabs; then the running statistics take in the ghost batches one after the other:
//   running <- (1 - momentum) running + momentum (mean, and squares / (count - 1))
// grid (ceil(C / BLOCK), R)   block BLOCK, a thread a channel
extern "C" __global__ void __launch_bounds__(BLOCK)
moments_finish(const REAL* __restrict__ partial_mean, const REAL* __restrict__ partial_squares,
               REAL* __restrict__ mean, REAL* __restrict__ inv, REAL* __restrict__ running_mean,
               REAL* __restrict__ running_var, int n, int C, int G, int ghost, int slabs, long long running_replica,
               REAL momentum, REAL eps) {
  const int c = blockIdx.x * BLOCK + threadIdx.x, r = blockIdx.y;
  if (c >= C) return;
  running_mean += r * running_replica;
  running_var += r * running_replica;
  REAL kept_mean = running_mean[c], kept_var = running_var[c];
  for (int g = 0; g < G; g++) {
    Moments whole{0, 0, 0};
    for (int slab = 0; slab < slabs; slab++) {
      const long long at = (((long long)r * G + g) * slabs + slab) * C + c;
      whole.merge({partial_mean[at], partial_squares[at], Rows(g, G, ghost, n, slab, slabs).count()});
    }
    const long long at = ((long long)r * G + g) * C + c;
    mean[at] = whole.mean;
    inv[at] = 1 / sqrt(whole.squares / whole.count + eps);
    kept_mean = (1 - momentum) * kept_mean + momentum * whole.mean;
    kept_var = (1 - momentum) * kept_var + momentum * (whole.squares / (whole.count - 1));
  }
  running_mean[c] = kept_mean;
  running_var[c] = kept_var;
}

// y = gamma xhat + beta.   grid (ceil(n C / BLOCK), R)   block BLOCK; y may be x
extern "C" __global__ void __launch_bounds__(BLOCK)
normalise(const REAL* x, const REAL* __restrict__ mean, const REAL* __restrict__ inv, const REAL* __restrict__ gamma,
          const REAL* __restrict__ beta, REAL* y, int n, int C, int G, int ghost, long long x_replica,
          long long y_replica, long long gamma_replica, long long beta_replica) {
  const int element = blockIdx.x * BLOCK + threadIdx.x;  // 32 bits: 64-bit divisions are slow
  if (element >= n * C) return;
  const int r = blockIdx.y, c = element % C, g = min(element / C / ghost, G - 1);
  const long long at = ((long long)r * G + g) * C + c;
  REAL value = (x[r * x_replica + element] - mean[at]) * inv[at];
  if (gamma) value = gamma[r * gamma_replica + c] * value + beta[r * beta_replica + c];
  y[r * y_replica + element] = value;
}

// Evaluation: y = gamma (x - running_mean) / sqrt(running_var + eps) + beta.   launch as normalise
extern "C" __global__ void __launch_bounds__(BLOCK)
infer(const REAL* x, const REAL* __restrict__ running_mean, const REAL* __restrict__ running_var,
      const REAL* __restrict__ gamma, const REAL* __restrict__ beta, REAL* y, int n, int C, long long x_replica,
      long long y_replica, long long running_replica, long long gamma_replica, long long beta_replica, REAL eps) {
  const int element = blockIdx.x * BLOCK + threadIdx.x;  // 32 bits: 64-bit divisions are slow
  if (element >= n * C) return;
  const int r = blockIdx.y, c = element % C;
  const long long at = r * running_replica + c;
  REAL value = (x[r * x_replica + element] - running_mean[at]) / sqrt(running_var[at] + eps);
  if (gamma) value = gamma[r * gamma_replica + c] * value + beta[r * beta_replica + c];
  y[r * y_replica + element] = value;
}

// ------------------------------------------------------------------ backward

// Sums of dy and of dy xhat down the rows of a slab.   launch as moments
extern "C" __global__ void __launch_bounds__(BLOCK)
gradient_sums(const REAL* __restrict__ x, const REAL* __restrict__ dy, const REAL* __restrict__ mean,
              const REAL* __restrict__ inv, REAL* __restrict__ partial_dy /* (R, G, slabs, C) */,
              REAL* __restrict__ partial_dy_xhat /* (R, G, slabs, C) */, int n, int C, int G, int ghost,
              long long x_replica, long long dy_replica) {
  __shared__ REAL sums_dy[DEEP][CHANNELS], sums_dy_xhat[DEEP][CHANNELS];
  const int c = blockIdx.x * CHANNELS + threadIdx.x, depth = threadIdx.y;
  const int r = blockIdx.z / G, g = blockIdx.z % G, slab = blockIdx.y, slabs = gridDim.y;
  const Rows rows(g, G, ghost, n, slab, slabs);
  x += r * x_replica;
  dy += r * dy_replica;

  REAL sum_dy = 0, sum_dy_xhat = 0;
  if (c < C) {
    const REAL centre = mean[(long long)blockIdx.z * C + c], scale = inv[(long long)blockIdx.z * C + c];
    for (int i = rows.first + depth; i < rows.last; i += DEEP) {
      const long long at = (long long)i * C + c;
      sum_dy += dy[at];
      sum_dy_xhat += dy[at] * ((x[at] - centre) * scale);
    }
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

// dx = gamma inv (dy - sum_dy / count - xhat sum_dy_xhat / count).   launch as normalise; dx may be dy
extern "C" __global__ void __launch_bounds__(BLOCK)
input_gradient(const REAL* __restrict__ x, const REAL* dy, const REAL* __restrict__ mean,
               const REAL* __restrict__ inv, const REAL* __restrict__ gamma, const REAL* __restrict__ sum_dy,
               const REAL* __restrict__ sum_dy_xhat, REAL* dx, int n, int C, int G, int ghost, long long x_replica,
               long long dy_replica, long long dx_replica, long long gamma_replica) {
  const int element = blockIdx.x * BLOCK + threadIdx.x;  // 32 bits: 64-bit divisions are slow
  if (element >= n * C) return;
  const int r = blockIdx.y, c = element % C, g = min(element / C / ghost, G - 1);
  const int count = Rows(g, G, ghost, n, 0, 1).count();
  const long long at = ((long long)r * G + g) * C + c;
  const REAL xhat = (x[r * x_replica + element] - mean[at]) * inv[at];
  const REAL slope = (dy[r * dy_replica + element] - sum_dy[at] / count - xhat * (sum_dy_xhat[at] / count)) * inv[at];
  dx[r * dx_replica + element] = gamma ? gamma[r * gamma_replica + c] * slope : slope;
}
