// Layer normalisation, forward and backward.
//
//   xhat = (x - mean) inv      inv = 1 / sqrt(var + eps)      y = gamma xhat + beta
//   without centring, as RMSNorm has it:  mean = 0, var = mean of x^2, beta = 0, and mean(g) = 0 below
//   dgamma = sum dy xhat      dbeta = sum dy      with g = gamma dy:  dx = inv (g - mean(g) - xhat mean(g xhat))
//
//   x, y, dy, dx   (R, n, F)   n = B for features, B H W for images: every row is normalised by itself
//   mean, inv      (R, n)      kept for backward, which computes xhat again from them; no mean without centring
//   gamma, beta    (R, F)      inside the flat vectors, replicas some distance apart; no beta without centring
//
// launch   layer_norm, layer_norm_dx: grid (ceil(n / WARPS), R)   block WARPS * 32, a warp a row
// moves    8 R n F bytes in float32 forward, 12 for dx, 8 for dgamma and dbeta
//
// A warp walks its row two or three times, but only the first walk goes to memory: a row fits in the first-level
// cache. So the mean is known before deviations from it are squared, and no digits cancel.
//
// macros   REAL   WARPS (a power of two, at most 32)   CENTRED (1 for LayerNorm, 0 for RMSNorm)

#define WARP 0xffffffffu

__device__ __forceinline__ REAL sum_of_warp(REAL value) {
#pragma unroll
  for (int apart = 16; apart; apart /= 2) value += __shfl_xor_sync(WARP, value, apart);
  return value;  // in every lane
}

extern "C" __global__ void __launch_bounds__(WARPS * 32, 1)
layer_norm(const REAL* __restrict__ x, const REAL* __restrict__ gamma, const REAL* __restrict__ beta,
           REAL* __restrict__ y, REAL* __restrict__ mean, REAL* __restrict__ inv, int n, int F,
           long long gamma_replica, long long beta_replica, REAL eps) {
  const int i = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32, r = blockIdx.y;
  if (i >= n) return;  // a whole warp leaves together
  const long long row = (long long)r * n + i;
  x += row * F;
  y += row * F;

  REAL sum = 0, squares = 0;
  if (CENTRED)
    for (int f = lane; f < F; f += 32) sum += x[f];
  const REAL centre = CENTRED ? sum_of_warp(sum) / F : (REAL)0;
  for (int f = lane; f < F; f += 32) squares += (x[f] - centre) * (x[f] - centre);
  const REAL scale = 1 / sqrt(sum_of_warp(squares) / F + eps);
  for (int f = lane; f < F; f += 32)
    y[f] = gamma[r * gamma_replica + f] * ((x[f] - centre) * scale) + (CENTRED ? beta[r * beta_replica + f] : (REAL)0);
  if (lane) return;
  if (CENTRED) mean[row] = centre;
  inv[row] = scale;
}

extern "C" __global__ void __launch_bounds__(WARPS * 32)
layer_norm_dx(const REAL* __restrict__ x, const REAL* dy, const REAL* __restrict__ gamma,
              const REAL* __restrict__ mean, const REAL* __restrict__ inv, REAL* dx /* may be dy */, int n, int F,
              long long gamma_replica) {
  const int i = blockIdx.x * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32, r = blockIdx.y;
  if (i >= n) return;
  const long long row = (long long)r * n + i;
  x += row * F;
  dy += row * F;
  dx += row * F;
  gamma += r * gamma_replica;
  const REAL centre = CENTRED ? mean[row] : (REAL)0, scale = inv[row];

  REAL sum = 0, sum_xhat = 0;
  for (int f = lane; f < F; f += 32) {
    const REAL g = gamma[f] * dy[f];
    sum += g;
    sum_xhat += g * ((x[f] - centre) * scale);
  }
  const REAL mean_g = CENTRED ? sum_of_warp(sum) / F : (REAL)0, mean_g_xhat = sum_of_warp(sum_xhat) / F;
  for (int f = lane; f < F; f += 32)
    dx[f] = scale * (gamma[f] * dy[f] - mean_g - (x[f] - centre) * scale * mean_g_xhat);
}

// Sums down columns: a block takes 32 features and a slab of rows, a warp at a time one row of them.
// grid (ceil(F / 32), slabs, R)   block (32, WARPS)
extern "C" __global__ void __launch_bounds__(WARPS * 32)
layer_norm_sums(const REAL* __restrict__ x, const REAL* __restrict__ dy, const REAL* __restrict__ mean,
                const REAL* __restrict__ inv, REAL* __restrict__ partial_dgamma /* (R, slabs, F) */,
                REAL* __restrict__ partial_dbeta /* (R, slabs, F) */, int n, int F) {
  __shared__ REAL dgammas[WARPS][32], dbetas[WARPS][32];
  const int f = blockIdx.x * 32 + threadIdx.x, r = blockIdx.z, slabs = gridDim.y;
  const int share = (n + slabs - 1) / slabs, first = blockIdx.y * share, last = min(n, first + share);

  REAL dgamma = 0, dbeta = 0;
  if (f < F)
    for (int i = first + threadIdx.y; i < last; i += WARPS) {
      const long long row = (long long)r * n + i, at = row * F + f;
      dgamma += dy[at] * ((x[at] - (CENTRED ? mean[row] : (REAL)0)) * inv[row]);
      dbeta += dy[at];
    }
  dgammas[threadIdx.y][threadIdx.x] = dgamma;
  dbetas[threadIdx.y][threadIdx.x] = dbeta;
  __syncthreads();

  if (threadIdx.y || f >= F) return;
  for (int other = 1; other < WARPS; other++) {
    dgamma += dgammas[other][threadIdx.x];
    dbeta += dbetas[other][threadIdx.x];
  }
  partial_dgamma[((long long)r * slabs + blockIdx.y) * F + f] = dgamma;
  partial_dbeta[((long long)r * slabs + blockIdx.y) * F + f] = dbeta;
}

// Add the slabs in order.   grid (ceil(F / (WARPS * 32)), R)   block WARPS * 32, a thread a feature
extern "C" __global__ void __launch_bounds__(WARPS * 32)
layer_norm_sums_finish(const REAL* __restrict__ partial_dgamma, const REAL* __restrict__ partial_dbeta,
                       REAL* __restrict__ dgamma, REAL* __restrict__ dbeta, int F, int slabs,
                       long long dgamma_replica, long long dbeta_replica) {
  const int f = blockIdx.x * (WARPS * 32) + threadIdx.x, r = blockIdx.y;
  if (f >= F) return;
  REAL sum_dgamma = 0, sum_dbeta = 0;
  for (int slab = 0; slab < slabs; slab++) {
    sum_dgamma += partial_dgamma[((long long)r * slabs + slab) * F + f];
    sum_dbeta += partial_dbeta[((long long)r * slabs + slab) * F + f];
  }
  dgamma[r * dgamma_replica + f] = sum_dgamma;
  if (CENTRED) dbeta[r * dbeta_replica + f] = sum_dbeta;
}
