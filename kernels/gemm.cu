// A dense layer as strided-batched matrix products, with everything fused in that would cost a pass over memory.
//
//   affine            NN   y  = act(x W + b)                         x (R, B, I)   W (R, I, O)   b (R, O)   y (R, B, O)
//   affine_dx         NT   dx = (dy W^T) act'(x)                     dy (R, B, O)                           dx (R, B, I)
//   affine_dW         TN   dW = x^T dy      db = sum_B dy            dW (R, I, O)   db (R, O)
//   affine_gradients       the last two at once, for layers too small to fill a device with one of them
//
// x is what the activation below put out: its derivative is had from x alone, so nothing else is kept. Weights lie
// inside flat parameter vectors, replicas P elements apart: every operand comes with the distances, in elements,
// between its rows and between its replicas. A replica distance of 0 shares an operand.
//
// launch   grid (tiles of c, splits times each; R)   block THREADS = tile / (THREAD_M THREAD_N)
// floor    2 R B I O FLOP each; bias, activation, derivative and db add no pass over memory
//
// The product c = a b with c (M, N), summed over K: a block computes a tile of c in steps of TILE_K. Panels of a
// and b go through shared memory, each thread keeps THREAD_M x THREAD_N sums in registers. While one panel of each is
// multiplied the next ones are already on their way: into registers and then to the second of two panels, or, where a
// device can copy to shared memory by itself (ASYNC, from sm_80 on), straight to the ring of panels, two steps ahead;
// what is transposed, or lies behind a tensor of odd size, goes one element a copy. Either way a step costs one barrier.
// The rungs beside the benchmarks build this up step by step.
//
// Where c has too few tiles to fill the device, splits > 1 blocks share the K of a tile and write partial sums; the one
// that is done last adds them all, in the order of the splits, and does what follows the sum. The same bits every run,
// whichever is last.
//
// macros   REAL   TILE_M TILE_N TILE_K   THREAD_M THREAD_N   WIDE_LOADS (1: 16 bytes a load, where all rows are aligned)
//          ASYNC (1: copies past the registers, in float32)

#define THREADS_N (TILE_N / THREAD_N)
#define THREADS (TILE_M / THREAD_M * THREADS_N)
#define RESIDENT ((WIDE_LOADS || ASYNC) && sizeof(REAL) == 4 ? 2 : 1)  // blocks on a multiprocessor: registers allow it
#define RESIDENT_DW (THREAD_M * THREAD_N < 64 ? RESIDENT : 1)  // dW also adds up db: with 64 sums a thread, one block
#define PAD 4  // shifts the rows of a panel to other banks, and keeps them aligned to 16 bytes
#define VECTOR (WIDE_LOADS ? 16 / (int)sizeof(REAL) : 1)  // elements a load from memory
#define COPIES (ASYNC && sizeof(REAL) == 4)  // three panels of doubles would not fit
#define PANELS (COPIES ? 3 : 2)
#define WARP 32
#define LANES_N 8
#define LANES_M (WARP / LANES_N)

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

// Copies from memory to shared memory that the thread does not wait for: cuda_pipeline_primitives.h, which NVRTC has not.
#ifdef __CUDACC_RTC__
__device__ __forceinline__ void __pipeline_memcpy_async(void* shared, const void* memory, size_t bytes, size_t zeros) {
#if __CUDA_ARCH__ >= 800
  const unsigned at = (unsigned)__cvta_generic_to_shared(shared), read = (unsigned)(bytes - zeros);
  if (bytes == 16) asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(memory), "r"(read) : "memory");
  else asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(at), "l"(memory), "r"(read) : "memory");
#endif
}
__device__ __forceinline__ void __pipeline_commit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int GROUPS> __device__ __forceinline__ void wait_for_all_but() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(GROUPS) : "memory");
#endif
}
#else
template <int GROUPS> __device__ __forceinline__ void wait_for_all_but() { __pipeline_wait_prior(GROUPS); }
#endif

struct Panels {
  __align__(16) REAL a[PANELS][TILE_K][TILE_M + PAD];
  __align__(16) REAL b[PANELS][TILE_K][TILE_N + PAD];
};

// Which elements of a panel, WIDTH neighbours at a time, a thread brings.
//
// ALONG_K: the operand is stored with k running fastest, as a (M, K) and b (N, K) are, and is transposed on its way. A
// warp then takes 8 elements along k, a sector of memory, of neighbouring rows: stored, they fall on 32 different banks,
// since rows of shared memory are PAD banks apart from multiples of 32.
template <bool ALONG_K, int SPAN, int WIDTH> struct Load {
  static constexpr int COUNT = TILE_K * SPAN / WIDTH, EACH = (COUNT + THREADS - 1) / THREADS;
  static constexpr int NEAR = 8 / WIDTH, ROWS = WARP / NEAR, FAR = TILE_K / 8;
  int k, at;
  __device__ __forceinline__ explicit Load(int i) {
    const int load = threadIdx.x + i * THREADS, warp = load / WARP, lane = load % WARP;
    if (ALONG_K) {
      k = (warp % FAR * NEAR + lane % NEAR) * WIDTH;
      at = warp / FAR * ROWS + lane / NEAR;
    } else {
      k = load / (SPAN / WIDTH);
      at = load % (SPAN / WIDTH) * WIDTH;
    }
  }
  static __device__ __forceinline__ bool exists(int i) { return COUNT % THREADS == 0 || threadIdx.x + i * THREADS < COUNT; }
};

// TILE_K x SPAN elements of an operand on their way to shared memory, where they always lie as [k][span].
// Outside (last_k, last) a panel is zero, which adds nothing to a sum.
template <bool ALONG_K, int SPAN> struct Panel {
  using Wide = Load<ALONG_K, SPAN, VECTOR>;
  Few<VECTOR> held[COPIES ? 1 : Wide::EACH];

  static __device__ __forceinline__ const REAL* find(Matrix operand, int k, int at) {
    return operand.first + (ALONG_K ? at * operand.row + k : k * operand.row + at);
  }

  __device__ __forceinline__ void fetch(Matrix operand, int first_k, int last_k, int first, int last) {
#pragma unroll
    for (int i = 0; i < Wide::EACH; i++) {
      const Wide load(i);
      const int k = first_k + load.k, at = first + load.at;
      held[i] = Few<VECTOR>{};
      if (Wide::exists(i) && k < last_k && at < last)
        held[i] = *reinterpret_cast<const Few<VECTOR>*>(find(operand, k, at));
    }
  }

  __device__ __forceinline__ void store(REAL (&shared)[TILE_K][SPAN + PAD]) const {
#pragma unroll
    for (int i = 0; i < Wide::EACH; i++) {
      const Wide load(i);
      if (!Wide::exists(i)) continue;
      if (ALONG_K) {
#pragma unroll
        for (int e = 0; e < VECTOR; e++) shared[load.k + e][load.at] = held[i].at[e];
      } else {
        *reinterpret_cast<Few<VECTOR>*>(&shared[load.k][load.at]) = held[i];
      }
    }
  }

  // The same at once and past the registers; what is transposed or not aligned goes element by element.
  static __device__ __forceinline__ void send(Matrix operand, int first_k, int last_k, int first, int last,
                                              REAL (&shared)[TILE_K][SPAN + PAD]) {
    constexpr int WIDTH = ALONG_K ? 1 : VECTOR;
    using Narrow = Load<ALONG_K, SPAN, WIDTH>;
#pragma unroll
    for (int i = 0; i < Narrow::EACH; i++) {
      const Narrow load(i);
      if (!Narrow::exists(i)) continue;
      const int k = first_k + load.k, at = first + load.at;
      const bool inside = k < last_k && at < last;
      __pipeline_memcpy_async(&shared[load.k][load.at], inside ? find(operand, k, at) : operand.first,
                              WIDTH * sizeof(REAL), inside ? 0 : WIDTH * sizeof(REAL));
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

// Which part of which product a block computes: blocks are numbered along the columns of c, then its rows, then splits.
struct Tile {
  int m, n;  // its first row and column
  int split, splits, number, r, R;
  __device__ __forceinline__ Tile(int block, int M, int N, int splits) : splits(splits), r(blockIdx.y), R(gridDim.y) {
    const int across = (N + TILE_N - 1) / TILE_N, tiles = (M + TILE_M - 1) / TILE_M * across;
    split = block / tiles;
    number = block % tiles;
    m = number / across * TILE_M;
    n = number % across * TILE_N;
    number += r * tiles;
  }
  static __device__ __forceinline__ int count(int M, int N, int splits) {
    return (M + TILE_M - 1) / TILE_M * ((N + TILE_N - 1) / TILE_N) * splits;
  }
};

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
__device__ __forceinline__ void product(Panels& panels, Tile tile, Matrix a, Matrix b, int M, int N, int K,
                                        Meeting meeting, Put put) {
  using PanelA = Panel<!A_TRANSPOSED, TILE_M>;
  using PanelB = Panel<B_TRANSPOSED, TILE_N>;
  // a warp is LANES_M x LANES_N threads: what it reads of a and b together is less than two long rows of threads would
  const int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, across = THREADS_N / LANES_N;
  const int thread_m = warp / across * LANES_M + lane / LANES_N, thread_n = warp % across * LANES_N + lane % LANES_N;
  const int steps = (K + TILE_K - 1) / TILE_K, share = (steps + tile.splits - 1) / tile.splits * TILE_K;
  const int first_k = tile.split * share, last_k = min(K, first_k + share);
  REAL sum[THREAD_M][THREAD_N] = {}, column = 0;

  const auto multiply = [&](int now) {
#pragma unroll 2  // further, and loads move up until registers run out and spill
    for (int k = 0; k < TILE_K; k++) {
      REAL a_mine[THREAD_M], b_mine[THREAD_N];
      Share<THREAD_M, TILE_M>::read(panels.a[now][k], thread_m, a_mine);
      Share<THREAD_N, TILE_N>::read(panels.b[now][k], thread_n, b_mine);
#pragma unroll
      for (int i = 0; i < THREAD_M; i++)
#pragma unroll
        for (int j = 0; j < THREAD_N; j++) sum[i][j] += a_mine[i] * b_mine[j];
    }
    if constexpr (COLUMN_SUMS)  // a thread a column, in the first row of tiles only: every row has the same b
      if (tile.m == 0 && threadIdx.x < TILE_N)
        for (int k = 0; k < TILE_K; k++) column += panels.b[now][k][threadIdx.x];
  };

  if constexpr (COPIES) {
    const auto send = [&](int k0, int panel) {
      if (k0 < last_k) {
        PanelA::send(a, k0, last_k, tile.m, M, panels.a[panel]);
        PanelB::send(b, k0, last_k, tile.n, N, panels.b[panel]);
      }
      __pipeline_commit();  // also without copies, so that all but the last one are those of this step
    };
    for (int ahead = 0; ahead < PANELS - 1; ahead++) send(first_k + ahead * TILE_K, ahead);
    for (int k0 = first_k, now = 0; k0 < last_k; k0 += TILE_K) {
      wait_for_all_but<PANELS - 2>();
      __syncthreads();  // everyone's copies are there, and nobody reads the panel before this one any more
      const int before = now == 0 ? PANELS - 1 : now - 1;
      send(k0 + (PANELS - 1) * TILE_K, before);
      multiply(now);
      now = now == PANELS - 1 ? 0 : now + 1;
    }
  } else {
    PanelA a_next;
    PanelB b_next;
    a_next.fetch(a, first_k, last_k, tile.m, M);
    b_next.fetch(b, first_k, last_k, tile.n, N);
    a_next.store(panels.a[0]);
    b_next.store(panels.b[0]);
    __syncthreads();
    for (int k0 = first_k, now = 0; k0 < last_k; k0 += TILE_K, now ^= 1) {
      const bool more = k0 + TILE_K < last_k;
      if (more) {
        a_next.fetch(a, k0 + TILE_K, last_k, tile.m, M);
        b_next.fetch(b, k0 + TILE_K, last_k, tile.n, N);
      }
      multiply(now);
      if (more) {  // into the panel that everyone left at the last barrier
        a_next.store(panels.a[now ^ 1]);
        b_next.store(panels.b[now ^ 1]);
        __syncthreads();
      }
    }
  }

  const bool sums_columns = COLUMN_SUMS && tile.m == 0 && threadIdx.x < TILE_N && tile.n + threadIdx.x < N;
  const long long size = (long long)M * N;
  REAL* results = tile.splits > 1 ? meeting.results + ((long long)tile.split * tile.R + tile.r) * size : nullptr;
#pragma unroll
  for (int j = 0; j < THREAD_N; j++) {
    const int n = tile.n + Share<THREAD_N, TILE_N>::at(thread_n, j);
    if (n >= N) continue;
#pragma unroll
    for (int i = 0; i < THREAD_M; i++) {
      const int m = tile.m + Share<THREAD_M, TILE_M>::at(thread_m, i);
      if (m >= M) continue;
      if (tile.splits > 1) results[(long long)m * N + n] = sum[i][j];
      else put(m, n, sum[i][j]);
    }
  }
  if constexpr (COLUMN_SUMS)
    if (sums_columns) {
      const int n = tile.n + threadIdx.x;
      if (tile.splits == 1) put.column(n, column);
      else if (meeting.columns) meeting.columns[((long long)tile.split * tile.R + tile.r) * N + n] = column;
    }
  if (tile.splits == 1) return;

  __shared__ int last;
  __threadfence();  // what this thread wrote is there before its block has arrived
  __syncthreads();
  if (threadIdx.x == 0) {
    int* arrived = meeting.arrived + tile.number;
    last = atomicAdd(arrived, 1) == tile.splits - 1;
    if (last) *arrived = 0;  // nobody else comes, until the next launch
  }
  __syncthreads();
  if (!last) return;
  __threadfence();
  for (int element = threadIdx.x; element < TILE_M * TILE_N; element += THREADS) {
    const int m = tile.m + element / TILE_N, n = tile.n + element % TILE_N;
    if (m >= M || n >= N) continue;
    const REAL* at = meeting.results + tile.r * size + (long long)m * N + n;
    REAL all = 0;
    for (int other = 0; other < tile.splits; other++, at += tile.R * size) all += __ldcg(at);  // not from a cache of this SM
    put(m, n, all);
  }
  if constexpr (COLUMN_SUMS)
    if (sums_columns && meeting.columns) {
      const REAL* at = meeting.columns + (long long)tile.r * N + tile.n + threadIdx.x;
      REAL all = 0;
      for (int other = 0; other < tile.splits; other++, at += (long long)tile.R * N) all += __ldcg(at);
      put.column(tile.n + threadIdx.x, all);
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
  __shared__ Panels panels;
  const int r = blockIdx.y;
  const Matrix a{x + r * x_replica, x_row}, b{W + r * W_replica, W_row};
  const PutActivated put{y + r * y_replica, y_row, bias ? bias + r * bias_replica : nullptr, activation, slope};
  const Tile tile(blockIdx.x, B, O, splits);
  product<false, false, false>(panels, tile, a, b, B, O, I, Meeting{results, nullptr, arrived}, put);
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
  __shared__ Panels panels;
  const int r = blockIdx.y;
  const Matrix a{dy + r * dy_replica, dy_row}, b{W + r * W_replica, W_row};
  const PutDerived put{dx + r * dx_replica, dx_row, x ? x + r * x_replica : nullptr, x_row, activation, slope};
  const Tile tile(blockIdx.x, B, I, splits);
  product<false, true, false>(panels, tile, a, b, B, I, O, Meeting{results, nullptr, arrived}, put);
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
          int B, int I, int O, int splits, long long x_replica, long long x_row, long long dy_replica, long long dy_row,
          long long dW_replica, long long dW_row, long long db_replica) {
  __shared__ Panels panels;
  const int r = blockIdx.y;
  const Matrix a{x + r * x_replica, x_row}, b{dy + r * dy_replica, dy_row};
  const PutGradient put{dW + r * dW_replica, dW_row, db ? db + r * db_replica : nullptr};
  const Tile tile(blockIdx.x, I, O, splits);
  product<true, false, true>(panels, tile, a, b, I, O, B, Meeting{results, db ? columns : nullptr, arrived}, put);
}

// ------------------------------------------------------------------ both gradients

// The blocks of dx first, then those of dW: they share nothing but what they read.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT_DW)
affine_gradients(const REAL* __restrict__ x, const REAL* __restrict__ dy, const REAL* __restrict__ W,
                 REAL* __restrict__ dW, REAL* __restrict__ db, REAL* __restrict__ dx,
                 REAL* dx_results /* (dx_splits, R, B, I) or null */, REAL* dW_results /* (dW_splits, R, I, O) or null */,
                 REAL* columns /* (dW_splits, R, O) or null */, int* dx_arrived, int* dW_arrived, int B, int I, int O,
                 int dx_splits, int dW_splits, long long x_replica, long long x_row, long long dy_replica,
                 long long dy_row, long long W_replica, long long W_row, long long dW_replica, long long dW_row,
                 long long db_replica, long long dx_replica, long long dx_row, int activation /* that made x */,
                 REAL slope) {
  __shared__ Panels panels;
  const int r = blockIdx.y, of_dx = Tile::count(B, I, dx_splits);
  const Matrix below{x + r * x_replica, x_row}, above{dy + r * dy_replica, dy_row}, weights{W + r * W_replica, W_row};
  if (blockIdx.x < of_dx) {
    const Tile tile(blockIdx.x, B, I, dx_splits);
    const PutDerived put{dx + r * dx_replica, dx_row, activation == NONE ? nullptr : below.first, x_row, activation, slope};
    product<false, true, false>(panels, tile, above, weights, B, I, O, Meeting{dx_results, nullptr, dx_arrived}, put);
  } else {
    const Tile tile(blockIdx.x - of_dx, I, O, dW_splits);
    const PutGradient put{dW + r * dW_replica, dW_row, db ? db + r * db_replica : nullptr};
    const Meeting meeting{dW_results, db ? columns : nullptr, dW_arrived};
    product<true, false, true>(panels, tile, below, above, I, O, B, meeting, put);
  }
}
