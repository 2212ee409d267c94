// A dense layer as strided-batched matrix products, with everything fused in that would cost a pass over memory.
//
//   affine      NN   y  = act(x W + b)                            x (R, B, I)   W (R, I, O)   b (R, O)   y (R, B, O)
//   affine_dx   NT   dx = (dy W^T) act'(x)                        dy (R, B, O)                           dx (R, B, I)
//   affine_dW   TN   dW = x^T dy      db = sum_B dy               dW (R, I, O)   db (R, O)
//
// x is what the activation below put out: its derivative is had from x alone, so nothing else is kept. Weights lie
// inside flat parameter vectors, replicas P elements apart: every operand comes with the distances, in elements,
// between its rows and between its replicas. A replica distance of 0 shares an operand.
//
// launch   grid (ceil(N / TILE_N), ceil(M / TILE_M), R splits)   block THREADS = tile / (THREAD_M THREAD_N)
// floor    2 R B I O FLOP each; bias, activation, derivative and db add no pass over memory
//
// The product c = a b with c (M, N), summed over K: a block computes a tile of c in steps of TILE_K. Panels of a
// and b go through shared memory, each thread keeps THREAD_M x THREAD_N sums in registers. Two panels of each
// alternate: while one is multiplied the next is already on its way from memory into registers, so a step costs
// one barrier. The folder ladder/ builds this up step by step.
//
// Where c has too few tiles to fill the device, splits > 1 blocks share the K of a tile and write partial sums; the one
// that is done last adds them all, in the order of the splits, and does what follows the sum. The same bits every run,
// whichever is last.
//
// macros   REAL   TILE_M TILE_N TILE_K   THREAD_M THREAD_N   WIDE_LOADS (1: 16 bytes a load, where all rows are aligned)

#define THREADS_N (TILE_N / THREAD_N)
#define THREADS (TILE_M / THREAD_M * THREADS_N)
#define RESIDENT (WIDE_LOADS && sizeof(REAL) == 4 ? 2 : 1)  // blocks on a multiprocessor, where registers allow it
#define RESIDENT_DW (THREAD_M * THREAD_N < 64 ? RESIDENT : 1)  // dW also adds up db: with 64 sums a thread, one block
#define PAD 4  // shifts the rows of a panel to other banks, and keeps them aligned to 16 bytes
#define VECTOR (WIDE_LOADS ? 16 / (int)sizeof(REAL) : 1)  // elements a load from memory

template <int COUNT> struct __align__(COUNT * sizeof(REAL) < 16 ? COUNT * sizeof(REAL) : 16) Few { REAL at[COUNT]; };

struct Matrix {  // one replica of an operand
  const REAL* __restrict__ first;
  long long row;  // elements from one row to the next
};

// ------------------------------------------------------------------ activations

enum { NONE, RELU, LEAKY_RELU, SIGMOID, TANH, SOFTPLUS };

// Chosen while running: every thread takes the same branch, once for each of its elements of c.
// Comparisons are written so that NaN takes the branch that keeps it.
__device__ __forceinline__ REAL activate(int activation, REAL v, REAL slope) {
  switch (activation) {
    case RELU: return v < 0 ? (REAL)0 : v;
    case LEAKY_RELU: return v < 0 ? slope * v : v;
    case SIGMOID: return (REAL)0.5 * (1 + tanh((REAL)0.5 * v));
    case TANH: return tanh(v);
    case SOFTPLUS: return (v < 0 ? (REAL)0 : v) + log1p(exp(-fabs(v)));
    default: return v;
  }
}

// The derivative as a function of the output y.
__device__ __forceinline__ REAL derivative(int activation, REAL y, REAL slope) {
  switch (activation) {
    case RELU: return y > 0 ? (REAL)1 : (REAL)0;
    case LEAKY_RELU: return y > 0 ? (REAL)1 : slope;
    case SIGMOID: return y * (1 - y);
    case TANH: return 1 - y * y;
    case SOFTPLUS: return -expm1(-y);  // 1 - e^(-y) would lose its digits where y is small
    default: return 1;
  }
}

// ------------------------------------------------------------------ panels

// TILE_K x SPAN elements of an operand on their way to shared memory, where they always lie as [k][span].
// ALONG_K: the operand is stored with k running fastest, as a (M, K) and b (N, K) are, and is transposed here.
template <bool ALONG_K, int SPAN> struct Panel {
  static constexpr int LOADS = TILE_K * SPAN / VECTOR, HELD = (LOADS + THREADS - 1) / THREADS;
  static constexpr int ACROSS = (ALONG_K ? TILE_K : SPAN) / VECTOR;  // loads along the fast axis
  Few<VECTOR> held[HELD];

  // Read the panel at (k, first); outside (last_k, last) it is zero, which adds nothing to a sum.
  __device__ __forceinline__ void fetch(Matrix operand, int k, int last_k, int first, int last) {
#pragma unroll
    for (int i = 0; i < HELD; i++) {
      const int load = threadIdx.x + i * THREADS, slow = load / ACROSS, fast = load % ACROSS * VECTOR;
      const int at_k = k + (ALONG_K ? fast : slow), at = first + (ALONG_K ? slow : fast);
      held[i] = Few<VECTOR>{};
      if (load < LOADS && at_k < last_k && at < last)
        held[i] = *reinterpret_cast<const Few<VECTOR>*>(
            operand.first + (ALONG_K ? at * operand.row + at_k : at_k * operand.row + at));
    }
  }

  __device__ __forceinline__ void store(REAL (&shared)[TILE_K][SPAN + PAD]) const {
#pragma unroll
    for (int i = 0; i < HELD; i++) {
      const int load = threadIdx.x + i * THREADS, slow = load / ACROSS, fast = load % ACROSS * VECTOR;
      if (load >= LOADS) continue;
      if (ALONG_K) {
#pragma unroll
        for (int e = 0; e < VECTOR; e++) shared[fast + e][slow] = held[i].at[e];
      } else {
        *reinterpret_cast<Few<VECTOR>*>(&shared[slow][fast]) = held[i];
      }
    }
  }
};

// A thread's rows (or columns) come in groups of up to four neighbours, read from shared memory by one load; the
// groups of one thread lie a whole stretch of threads apart, so that a warp's loads fall on different banks.
template <int PER_THREAD, int SPAN> struct Share {
  static constexpr int GROUP = PER_THREAD < 4 ? PER_THREAD : 4, STRETCH = SPAN / (PER_THREAD / GROUP);
  static __device__ __forceinline__ int at(int thread, int i) { return i / GROUP * STRETCH + thread * GROUP + i % GROUP; }
  static __device__ __forceinline__ void read(const REAL (&row)[SPAN + PAD], int thread, REAL (&mine)[PER_THREAD]) {
#pragma unroll
    for (int i = 0; i < PER_THREAD; i += GROUP) {
      const Few<GROUP> group = *reinterpret_cast<const Few<GROUP>*>(&row[at(thread, i)]);
#pragma unroll
      for (int e = 0; e < GROUP; e++) mine[i + e] = group.at[e];
    }
  }
};

// ------------------------------------------------------------------ the product

// Where the splits of a tile leave their sums to the last of them; all null without splits.
struct Meeting {
  REAL* results;  // (splits, R, M, N)
  REAL* columns;  // (splits, R, N), or null
  int* arrived;   // (R, tiles of c): splits that are done; zero between launches
};

// One block's tile of c = a b, handed to `put` element by element.
// a is stored (M, K), or (K, M) if A_TRANSPOSED; b (K, N), or (N, K) if B_TRANSPOSED. COLUMN_SUMS also hands over
// the sums of b over K: it passes through anyway.
template <bool A_TRANSPOSED, bool B_TRANSPOSED, bool COLUMN_SUMS, class Put>
__device__ __forceinline__ void product(Matrix a, Matrix b, int M, int N, int K, int splits, Meeting meeting, Put put) {
  __shared__ __align__(16) REAL a_panel[2][TILE_K][TILE_M + PAD];
  __shared__ __align__(16) REAL b_panel[2][TILE_K][TILE_N + PAD];

  const int r = blockIdx.z / splits, split = blockIdx.z % splits, R = gridDim.z / splits;
  const int m0 = blockIdx.y * TILE_M, n0 = blockIdx.x * TILE_N;
  const int thread_m = threadIdx.x / THREADS_N, thread_n = threadIdx.x % THREADS_N;
  const int steps = (K + TILE_K - 1) / TILE_K, share = (steps + splits - 1) / splits * TILE_K;
  const int first_k = split * share, last_k = min(K, first_k + share);

  Panel<!A_TRANSPOSED, TILE_M> a_next;
  Panel<B_TRANSPOSED, TILE_N> b_next;
  REAL sum[THREAD_M][THREAD_N] = {}, column = 0;

  a_next.fetch(a, first_k, last_k, m0, M);
  b_next.fetch(b, first_k, last_k, n0, N);
  a_next.store(a_panel[0]);
  b_next.store(b_panel[0]);
  __syncthreads();
  for (int k0 = first_k, now = 0; k0 < last_k; k0 += TILE_K, now ^= 1) {
    const bool more = k0 + TILE_K < last_k;
    if (more) {
      a_next.fetch(a, k0 + TILE_K, last_k, m0, M);
      b_next.fetch(b, k0 + TILE_K, last_k, n0, N);
    }
#pragma unroll 2  // further, and loads move up until registers run out and spill
    for (int k = 0; k < TILE_K; k++) {
      REAL a_mine[THREAD_M], b_mine[THREAD_N];
      Share<THREAD_M, TILE_M>::read(a_panel[now][k], thread_m, a_mine);
      Share<THREAD_N, TILE_N>::read(b_panel[now][k], thread_n, b_mine);
#pragma unroll
      for (int i = 0; i < THREAD_M; i++)
#pragma unroll
        for (int j = 0; j < THREAD_N; j++) sum[i][j] += a_mine[i] * b_mine[j];
    }
    if constexpr (COLUMN_SUMS)  // a thread a column, in the first row of tiles only: every row has the same b
      if (m0 == 0 && threadIdx.x < TILE_N)
        for (int k = 0; k < TILE_K; k++) column += b_panel[now][k][threadIdx.x];
    if (more) {  // into the panel that everyone left at the last barrier
      a_next.store(a_panel[now ^ 1]);
      b_next.store(b_panel[now ^ 1]);
      __syncthreads();
    }
  }

  const bool sums_columns = COLUMN_SUMS && m0 == 0 && threadIdx.x < TILE_N && n0 + threadIdx.x < N;
  const long long size = (long long)M * N;
  REAL* results = splits > 1 ? meeting.results + ((long long)split * R + r) * size : nullptr;
#pragma unroll
  for (int j = 0; j < THREAD_N; j++) {
    const int n = n0 + Share<THREAD_N, TILE_N>::at(thread_n, j);
    if (n >= N) continue;
#pragma unroll
    for (int i = 0; i < THREAD_M; i++) {
      const int m = m0 + Share<THREAD_M, TILE_M>::at(thread_m, i);
      if (m >= M) continue;
      if (splits > 1) results[(long long)m * N + n] = sum[i][j];
      else put(m, n, sum[i][j]);
    }
  }
  if constexpr (COLUMN_SUMS)
    if (sums_columns) {
      if (splits == 1) put.column(n0 + threadIdx.x, column);
      else if (meeting.columns) meeting.columns[((long long)split * R + r) * N + n0 + threadIdx.x] = column;
    }
  if (splits == 1) return;

  __shared__ int last;
  __threadfence();  // what this thread wrote is there before its block has arrived
  __syncthreads();
  if (threadIdx.x == 0) {
    int* arrived = meeting.arrived + ((long long)r * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    last = atomicAdd(arrived, 1) == splits - 1;
    if (last) *arrived = 0;  // nobody else comes, until the next launch
  }
  __syncthreads();
  if (!last) return;
  __threadfence();
  for (int element = threadIdx.x; element < TILE_M * TILE_N; element += THREADS) {
    const int m = m0 + element / TILE_N, n = n0 + element % TILE_N;
    if (m >= M || n >= N) continue;
    const REAL* at = meeting.results + (long long)r * size + (long long)m * N + n;
    REAL all = 0;
    for (int other = 0; other < splits; other++, at += R * size) all += __ldcg(at);  // not from a cache of this SM
    put(m, n, all);
  }
  if constexpr (COLUMN_SUMS)
    if (sums_columns && meeting.columns) {
      const REAL* at = meeting.columns + (long long)r * N + n0 + threadIdx.x;
      REAL all = 0;
      for (int other = 0; other < splits; other++, at += (long long)R * N) all += __ldcg(at);
      put.column(n0 + threadIdx.x, all);
    }
}

// ------------------------------------------------------------------ y = act(x W + b)

struct PutActivated {
  REAL* __restrict__ y;           // (B, O)
  long long y_row;
  const REAL* __restrict__ bias;  // (O) or null
  int activation;
  REAL slope;
  __device__ void operator()(int b, int o, REAL sum) const {
    y[b * y_row + o] = activate(activation, bias ? sum + bias[o] : sum, slope);
  }
};

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
affine(const REAL* __restrict__ x, const REAL* __restrict__ W, const REAL* __restrict__ bias, REAL* __restrict__ y,
       REAL* results /* (splits, R, B, O), or null without splits */, int* arrived, int B, int I, int O, int splits,
       long long x_replica, long long x_row, long long W_replica, long long W_row, long long bias_replica,
       long long y_replica, long long y_row, int activation, REAL slope) {
  const int r = blockIdx.z / splits;
  const Matrix a{x + r * x_replica, x_row}, b{W + r * W_replica, W_row};
  const PutActivated put{y + r * y_replica, y_row, bias ? bias + r * bias_replica : nullptr, activation, slope};
  product<false, false, false>(a, b, B, O, I, splits, Meeting{results, nullptr, arrived}, put);
}

// ------------------------------------------------------------------ dx = (dy W^T) act'(x)

struct PutDerived {
  REAL* __restrict__ dx;       // (B, I)
  long long dx_row;
  const REAL* __restrict__ x;  // (B, I), or null without activation
  long long x_row;
  int activation;
  REAL slope;
  __device__ void operator()(int b, int i, REAL sum) const {
    dx[b * dx_row + i] = x ? sum * derivative(activation, x[b * x_row + i], slope) : sum;
  }
};

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
affine_dx(const REAL* __restrict__ dy, const REAL* __restrict__ W, const REAL* __restrict__ x, REAL* __restrict__ dx,
          REAL* results /* (splits, R, B, I) or null */, int* arrived, int B, int I, int O, int splits,
          long long dy_replica, long long dy_row, long long W_replica, long long W_row, long long x_replica,
          long long x_row, long long dx_replica, long long dx_row, int activation, REAL slope) {
  const int r = blockIdx.z / splits;
  const Matrix a{dy + r * dy_replica, dy_row}, b{W + r * W_replica, W_row};
  const PutDerived put{dx + r * dx_replica, dx_row, x ? x + r * x_replica : nullptr, x_row, activation, slope};
  product<false, true, false>(a, b, B, I, O, splits, Meeting{results, nullptr, arrived}, put);
}

// ------------------------------------------------------------------ dW = x^T dy      db = sum_B dy

struct PutGradient {
  REAL* __restrict__ dW;  // (I, O)
  long long dW_row;
  REAL* __restrict__ db;  // (O) or null
  __device__ void operator()(int i, int o, REAL sum) const { dW[i * dW_row + o] = sum; }
  __device__ void column(int o, REAL sum) const { if (db) db[o] = sum; }
};

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT_DW)
affine_dW(const REAL* __restrict__ x, const REAL* __restrict__ dy, REAL* __restrict__ dW, REAL* __restrict__ db,
          REAL* results /* (splits, R, I, O) or null */, REAL* columns /* (splits, R, O) or null */, int* arrived,
          int B, int I, int O, int splits, long long x_replica, long long x_row, long long dy_replica, long long dy_row, long long dW_replica,
          long long dW_row, long long db_replica) {
  const int r = blockIdx.z / splits;
  const Matrix a{x + r * x_replica, x_row}, b{dy + r * dy_replica, dy_row};
  const PutGradient put{dW + r * dW_replica, dW_row, db ? db + r * db_replica : nullptr};
  product<true, false, true>(a, b, I, O, B, splits, Meeting{results, db ? columns : nullptr, arrived}, put);
}
