// Elementwise nonlinearities and their derivatives, where no matrix product is at hand to take them in.
//
//   y = act(x)      dx = dy act'      act' from y; from x for GELU, whose derivative is no function of y
//
//   x, y, dy, dx    (R, n)   replicas any distance apart; y may be x and dx may be dy
//
// launch   grid (ceil(n / BLOCK), R)   block BLOCK
// moves    8 R n bytes in float32 forward, 12 backward
//
// Comparisons are written so that NaN takes the branch that keeps it.
//
// macros   REAL   BLOCK   ACTIVATION: which one, a number of this list

#define RELU 1
#define LEAKY_RELU 2
#define SIGMOID 3
#define TANH 4
#define SOFTPLUS 5
#define GELU 6

#define ROOT_HALF (REAL)0.70710678118654752440
#define ONE_BY_ROOT_TWO_PI (REAL)0.39894228040143267794

__device__ __forceinline__ REAL activate(REAL v, REAL slope) {
#if ACTIVATION == RELU
  return v < 0 ? (REAL)0 : v;
#elif ACTIVATION == LEAKY_RELU
  return v < 0 ? slope * v : v;
#elif ACTIVATION == SIGMOID
  return (REAL)0.5 * (1 + tanh((REAL)0.5 * v));
#elif ACTIVATION == TANH
  return tanh(v);
#elif ACTIVATION == SOFTPLUS
  return (v < 0 ? (REAL)0 : v) + log1p(exp(-fabs(v)));
#else
  return v * ((REAL)0.5 * (1 + erf(v * ROOT_HALF)));
#endif
}

// at: y, or x for GELU
__device__ __forceinline__ REAL derivative(REAL at, REAL slope) {
#if ACTIVATION == RELU
  return at > 0 ? (REAL)1 : (REAL)0;
#elif ACTIVATION == LEAKY_RELU
  return at > 0 ? (REAL)1 : slope;
#elif ACTIVATION == SIGMOID
  return at * (1 - at);
#elif ACTIVATION == TANH
  return 1 - at * at;
#elif ACTIVATION == SOFTPLUS
  return -expm1(-at);  // 1 - e^(-y) would lose its digits where y is small
#else
  return (REAL)0.5 * (1 + erf(at * ROOT_HALF)) + at * (ONE_BY_ROOT_TWO_PI * exp((REAL)-0.5 * at * at));
#endif
}

extern "C" __global__ void __launch_bounds__(BLOCK)
activation(const REAL* x, REAL* y, long long n, long long x_replica, long long y_replica, REAL slope) {
  const long long i = (long long)blockIdx.x * BLOCK + threadIdx.x, r = blockIdx.y;
  if (i < n) y[r * y_replica + i] = activate(x[r * x_replica + i], slope);
}

extern "C" __global__ void __launch_bounds__(BLOCK)
activation_dx(const REAL* __restrict__ at, const REAL* dy, REAL* dx, long long n, long long at_replica,
              long long dy_replica, long long dx_replica, REAL slope) {
  const long long i = (long long)blockIdx.x * BLOCK + threadIdx.x, r = blockIdx.y;
  if (i < n) dx[r * dx_replica + i] = dy[r * dy_replica + i] * derivative(at[r * at_replica + i], slope);
}
