// Convolution as an implicit matrix product: the patches are never stored, only where each of their numbers lies.
//
//   conv      y[b,i,j,o] = sum_{k,l,c} x[b, i S + k - P, j S + l - P, c] W[k,l,c,o] + bias[o]
//   conv_dx   dx[b,h,w,c] = sum_{k,l,o} dy[b, (h + P - k) / S, (w + P - l) / S, o] W[k,l,c,o]   where S divides both
//   conv_dW   dW[k,l,c,o] = sum_{b,i,j} x[b, i S + k - P, j S + l - P, c] dy[b,i,j,o]      db[o] = sum_{b,i,j} dy
//
//   x, dx (R, B, H, W, C)   W, dW (R, KH, KW, C, O)   bias, db (R, O)   y, dy (R, B, OH, OW, O)
//   images contiguous within a replica; weights inside the flat vectors, replicas some distance apart
//
// As a product c = a b, with c (M, N) summed over K:
//
//              M           N   K           a                      b
//   conv       B OH OW     O   KH KW C     x at (pixel m, tap k)  W, row k
//   conv_dx    B H W       C   KH KW O     dy at (pixel m, tap k) W of tap k and channel n
//   conv_dW    KH KW C     O   B OH OW     x at (tap m, pixel k)  dy, row k
//
// launch   grid (ceil(N / TILE_N), ceil(M / TILE_M), R splits)   block THREADS = tile / (THREAD_M THREAD_N)
// floor    2 R M N K FLOP; im2col would write and read KH KW copies of x besides
//
// Where an element of a lies is the sum of two spots, one that belongs to m and one that belongs to k. Finding them
// takes divisions, so a block does it once for each of its rows and once for each step's TILE_K, into tables in
// shared memory; an element then costs two additions and four comparisons, or four of them together, where C and O are
// multiples of four: neighbouring channels are neighbours in memory and in or out of the image together. The product
// itself is that of gemm.cu, without alternating panels: a step is table, barrier, panels, barrier, multiplication.
//
// conv_dW sums over every pixel of the batch into a small result: with splits > 1 blocks share that sum, and the one
// that is done last adds their parts in order, as in gemm.cu. The same bits every run.
//
// macros   REAL   TILE_M TILE_N TILE_K   THREAD_M THREAD_N          fewer than 2^31 elements a replica
//          WIDE_LOADS (1: 16 bytes a load, where C and O are multiples of as many elements and all arrays are aligned)

#define THREADS_N (TILE_N / THREAD_N)
#define THREADS (TILE_M / THREAD_M * THREADS_N)
#define PAD 4  // shifts the rows of a panel to other banks, and keeps them aligned to 16 bytes
#define VECTOR (WIDE_LOADS ? 16 / (int)sizeof(REAL) : 1)  // elements a load from memory
#define WARP 32
#define RESIDENT (sizeof(REAL) == 4 ? 2 : 1)  // blocks on a multiprocessor: doubles need the registers of two

template <int COUNT> struct __align__(COUNT * sizeof(REAL) < 16 ? COUNT * sizeof(REAL) : 16) Few { REAL at[COUNT]; };
using Neighbours = Few<VECTOR>;

__device__ __forceinline__ Neighbours load(const REAL* first) { return *reinterpret_cast<const Neighbours*>(first); }

struct Shape {
  int B, H, W, C, O, OH, OW, KH, KW, SH, SW, PH, PW;
};

struct Spot {
  int i, j;    // row and column; negative or past the end in the padding
  int offset;  // elements, of channel and image and whatever else adds up
  int of_b;    // where b has its part of this k
};

// Split a running number into (first, i, j): first * (height width) + i * width + j.
struct Split {
  int first, i, j;
  __device__ __forceinline__ Split(int number, int height, int width) {
    j = number % width;
    const int rest = number / width;
    i = rest % height;
    first = rest / height;
  }
};

// ------------------------------------------------------------------ the three products

struct Forward {
  static constexpr bool A_ALONG_K = true, B_ALONG_K = false, COLUMN_SUMS = false;  // along: runs fastest in memory
  Shape s;
  const REAL *__restrict__ x, *__restrict__ W, *__restrict__ bias;
  REAL* __restrict__ y;
  __device__ Spot row(int m) const {  // the corner of a patch
    const Split at(m, s.OH, s.OW);
    const int i = at.i * s.SH - s.PH, j = at.j * s.SW - s.PW;
    return {i, j, ((at.first * s.H + i) * s.W + j) * s.C, 0};
  }
  __device__ Spot step(int k) const {  // a tap: a place in the patch
    const Split at(k / s.C, s.KH, s.KW);
    return {at.i, at.j, (at.i * s.W + at.j) * s.C + k % s.C, k * s.O};
  }
  __device__ Neighbours a(const Spot& m, const Spot& k) const {
    const int i = m.i + k.i, j = m.j + k.j;
    return i >= 0 && i < s.H && j >= 0 && j < s.W ? load(x + m.offset + k.offset) : Neighbours{};
  }
  __device__ Neighbours b(const Spot& k, int n) const { return load(W + k.of_b + n); }
  __device__ void put(int m, int n, REAL sum) const { y[m * s.O + n] = bias ? sum + bias[n] : sum; }
};

struct InputGradient {
  static constexpr bool A_ALONG_K = true, B_ALONG_K = true, COLUMN_SUMS = false;
  Shape s;
  const REAL *__restrict__ dy, *__restrict__ W;
  REAL* __restrict__ dx;
  __device__ Spot row(int m) const {
    const Split at(m, s.H, s.W);
    return {at.i + s.PH, at.j + s.PW, at.first * s.OH * s.OW * s.O, 0};
  }
  __device__ Spot step(int k) const {
    const Split at(k / s.O, s.KH, s.KW);
    const int o = k % s.O;
    return {-at.i, -at.j, o, (at.i * s.KW + at.j) * s.C * s.O + o};
  }
  __device__ Neighbours a(const Spot& m, const Spot& k) const {
    const int i = m.i + k.i, j = m.j + k.j;  // of the padded image; output rows start at multiples of the stride
    if (i < 0 || j < 0) return {};
    const int oi = s.SH == 1 ? i : i / s.SH, oj = s.SW == 1 ? j : j / s.SW;
    const bool starts = oi * s.SH == i && oj * s.SW == j && oi < s.OH && oj < s.OW;
    return starts ? load(dy + m.offset + (oi * s.OW + oj) * s.O + k.offset) : Neighbours{};
  }
  __device__ Neighbours b(const Spot& k, int n) const { return load(W + k.of_b + n * s.O); }
  __device__ void put(int m, int n, REAL sum) const { dx[m * s.C + n] = sum; }
};

struct WeightGradient {
  static constexpr bool A_ALONG_K = false, B_ALONG_K = false, COLUMN_SUMS = true;
  Shape s;
  const REAL *__restrict__ x, *__restrict__ dy;
  REAL *dW, *db;  // of this replica, or of this split and replica; db may be null
  __device__ Spot row(int m) const {  // a tap
    const Split at(m / s.C, s.KH, s.KW);
    return {at.i, at.j, (at.i * s.W + at.j) * s.C + m % s.C, 0};
  }
  __device__ Spot step(int k) const {  // the corner of a patch
    const Split at(k, s.OH, s.OW);
    const int i = at.i * s.SH - s.PH, j = at.j * s.SW - s.PW;
    return {i, j, ((at.first * s.H + i) * s.W + j) * s.C, k * s.O};
  }
  __device__ Neighbours a(const Spot& m, const Spot& k) const {
    const int i = m.i + k.i, j = m.j + k.j;
    return i >= 0 && i < s.H && j >= 0 && j < s.W ? load(x + m.offset + k.offset) : Neighbours{};
  }
  __device__ Neighbours b(const Spot& k, int n) const { return load(dy + k.of_b + n); }
  __device__ void put(int m, int n, REAL sum) const { dW[m * s.O + n] = sum; }
  __device__ void column(int n, REAL sum) const { if (db) db[n] = sum; }
};

// ------------------------------------------------------------------ the product

// Which neighbours of a panel, stored as [k][span], a thread brings; see gemm.cu for what they do to the banks.
template <bool ALONG_K, int SPAN> struct Load {
  static constexpr int COUNT = TILE_K * SPAN / VECTOR, EACH = (COUNT + THREADS - 1) / THREADS;
  static constexpr int NEAR = 8 / VECTOR, ROWS = WARP / NEAR, FAR = TILE_K / 8;
  int k, at;
  bool exists;
  __device__ __forceinline__ explicit Load(int i) {
    const int number = threadIdx.x + i * THREADS, warp = number / WARP, lane = number % WARP;
    exists = COUNT % THREADS == 0 || number < COUNT;
    k = ALONG_K ? (warp % FAR * NEAR + lane % NEAR) * VECTOR : number / (SPAN / VECTOR);
    at = ALONG_K ? warp / FAR * ROWS + lane / NEAR : number % (SPAN / VECTOR) * VECTOR;
  }
  __device__ __forceinline__ void store(REAL (&panel)[TILE_K][SPAN + PAD], const Neighbours& found) const {
    if (ALONG_K) {
#pragma unroll
      for (int e = 0; e < VECTOR; e++) panel[k + e][at] = found.at[e];
    } else {
      *reinterpret_cast<Neighbours*>(&panel[k][at]) = found;
    }
  }
};

template <class Operands>
__device__ __forceinline__ void product(const Operands& operands, int M, int N, int K, int split, int splits) {
  using LoadA = Load<Operands::A_ALONG_K, TILE_M>;
  using LoadB = Load<Operands::B_ALONG_K, TILE_N>;
  __shared__ Spot row[TILE_M], step[TILE_K];
  __shared__ __align__(16) REAL a_panel[TILE_K][TILE_M + PAD];
  __shared__ __align__(16) REAL b_panel[TILE_K][TILE_N + PAD];

  const int m0 = blockIdx.y * TILE_M, n0 = blockIdx.x * TILE_N;
  const int thread_m = threadIdx.x / THREADS_N, thread_n = threadIdx.x % THREADS_N;
  const int steps = (K + TILE_K - 1) / TILE_K, share = (steps + splits - 1) / splits * TILE_K;
  const int first_k = split * share, last_k = min(K, first_k + share);

  for (int m = threadIdx.x; m < TILE_M; m += THREADS) row[m] = operands.row(min(m0 + m, M - 1));
  REAL sum[THREAD_M][THREAD_N] = {}, column = 0;
  for (int k0 = first_k; k0 < last_k; k0 += TILE_K) {
    for (int k = threadIdx.x; k < TILE_K; k += THREADS) step[k] = operands.step(min(k0 + k, K - 1));
    __syncthreads();  // the table is written, and everyone has left the panels
#pragma unroll
    for (int i = 0; i < LoadA::EACH; i++) {
      const LoadA load(i);
      if (!load.exists) continue;
      const bool inside = k0 + load.k < last_k && m0 + load.at < M;
      load.store(a_panel, inside ? operands.a(row[load.at], step[load.k]) : Neighbours{});
    }
#pragma unroll
    for (int i = 0; i < LoadB::EACH; i++) {
      const LoadB load(i);
      if (!load.exists) continue;
      const bool inside = k0 + load.k < last_k && n0 + load.at < N;
      load.store(b_panel, inside ? operands.b(step[load.k], n0 + load.at) : Neighbours{});
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < TILE_K; k++) {
      const Few<THREAD_M> a_mine = *reinterpret_cast<const Few<THREAD_M>*>(&a_panel[k][thread_m * THREAD_M]);
      const Few<THREAD_N> b_mine = *reinterpret_cast<const Few<THREAD_N>*>(&b_panel[k][thread_n * THREAD_N]);
#pragma unroll
      for (int i = 0; i < THREAD_M; i++)
#pragma unroll
        for (int j = 0; j < THREAD_N; j++) sum[i][j] += a_mine.at[i] * b_mine.at[j];
    }
    if constexpr (Operands::COLUMN_SUMS)  // a thread a column, in the first row of tiles only: every row has the same b
      if (m0 == 0 && threadIdx.x < TILE_N)
        for (int k = 0; k < TILE_K; k++) column += b_panel[k][threadIdx.x];
  }
#pragma unroll
  for (int j = 0; j < THREAD_N; j++) {
    const int n = n0 + thread_n * THREAD_N + j;
    if (n >= N) continue;
#pragma unroll
    for (int i = 0; i < THREAD_M; i++) {
      const int m = m0 + thread_m * THREAD_M + i;
      if (m < M) operands.put(m, n, sum[i][j]);
    }
  }
  if constexpr (Operands::COLUMN_SUMS)
    if (const int n = n0 + threadIdx.x; m0 == 0 && threadIdx.x < TILE_N && n < N) operands.column(n, column);
}

// ------------------------------------------------------------------ the kernels

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
conv(const REAL* __restrict__ x, const REAL* __restrict__ W, const REAL* __restrict__ bias /* or null */,
     REAL* __restrict__ y, int B, int H, int Wd, int C, int O, int OH, int OW, int KH, int KW, int SH, int SW, int PH,
     int PW, long long x_replica, long long W_replica, long long bias_replica, long long y_replica) {
  const int r = blockIdx.z;
  const Shape s{B, H, Wd, C, O, OH, OW, KH, KW, SH, SW, PH, PW};
  product(Forward{s, x + r * x_replica, W + r * W_replica, bias ? bias + r * bias_replica : nullptr, y + r * y_replica},
          B * OH * OW, O, KH * KW * C, 0, 1);
}

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
conv_dx(const REAL* __restrict__ dy, const REAL* __restrict__ W, REAL* __restrict__ dx, int B, int H, int Wd, int C,
        int O, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW, long long dy_replica,
        long long W_replica, long long dx_replica) {
  const int r = blockIdx.z;
  const Shape s{B, H, Wd, C, O, OH, OW, KH, KW, SH, SW, PH, PW};
  product(InputGradient{s, dy + r * dy_replica, W + r * W_replica, dx + r * dx_replica}, B * H * Wd, C, KH * KW * O, 0,
          1);
}

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
conv_dW(const REAL* __restrict__ x, const REAL* __restrict__ dy, REAL* dW, REAL* db,
        REAL* results /* (splits, R, KH KW C, O), or null without splits */,
        REAL* columns /* (splits, R, O) or null */, int* arrived /* (R, tiles), zero between launches */, int splits,
        int B, int H, int Wd, int C, int O, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW,
        long long x_replica, long long dy_replica, long long dW_replica, long long db_replica) {
  const int r = blockIdx.z / splits, split = blockIdx.z % splits, R = gridDim.z / splits, M = KH * KW * C;
  const Shape s{B, H, Wd, C, O, OH, OW, KH, KW, SH, SW, PH, PW};
  const long long part = (long long)split * R + r, size = (long long)M * O;
  dW += r * dW_replica;
  if (db) db += r * db_replica;
  REAL* into = splits > 1 ? results + part * size : dW;
  REAL* sums = !db ? nullptr : splits > 1 ? columns + part * O : db;
  product(WeightGradient{s, x + r * x_replica, dy + r * dy_replica, into, sums}, M, O, B * OH * OW, split, splits);
  if (splits == 1) return;

  __shared__ int last;
  __threadfence();  // what this thread wrote is there before its block has arrived
  __syncthreads();
  if (threadIdx.x == 0) {
    int* counter = arrived + ((long long)r * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    last = atomicAdd(counter, 1) == splits - 1;
    if (last) *counter = 0;  // nobody else comes, until the next launch
  }
  __syncthreads();
  if (!last) return;
  __threadfence();
  const int n0 = blockIdx.x * TILE_N;
  for (int element = threadIdx.x; element < TILE_M * TILE_N; element += THREADS) {
    const int m = blockIdx.y * TILE_M + element / TILE_N, n = n0 + element % TILE_N;
    if (m >= M || n >= O) continue;
    REAL all = 0;
    for (int other = 0; other < splits; other++)  // not from a cache of this SM
      all += __ldcg(results + ((long long)other * R + r) * size + (long long)m * O + n);
    dW[m * O + n] = all;
  }
  if (const int n = n0 + threadIdx.x; db && blockIdx.y == 0 && threadIdx.x < TILE_N && n < O) {
    REAL all = 0;
    for (int other = 0; other < splits; other++) all += __ldcg(columns + ((long long)other * R + r) * O + n);
    db[n] = all;
  }
}
