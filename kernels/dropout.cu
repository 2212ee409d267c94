// Dropout whose mask is never stored: it is drawn again in backward, from a counter.
//
//   y = x m / (1 - p)      m = [u >= p]      u uniform in [0, 1), a pure function of (seed, stream, clock, position)
//
//   x, y    (R, n)   n elements of one replica: the whole batch         (dx = dy m / (1 - p) is the same kernel)
//   seeds   (R)      uint64
//   clock   ()       int64, in device memory: steps counted so far, so that a recorded graph draws anew each replay
//
// launch   grid (ceil(n / (BLOCK * DRAWS)), R)   block BLOCK: a thread draws DRAWS neighbours from one counter
// moves    8 R n bytes in float32; forward and backward each, and no mask
//
// Philox4x64-10 (Salmon et al. 2011) with key (seed, stream): counter (j + 1, 0, 0, clock) gives the j-th block of
// four 64-bit words. That is NumPy's stream of Philox(key=[seed, stream], counter=[0, 0, 0, clock]), which
// increments the counter before it draws. float32 takes the upper 24 bits of each half of a word, lower half first;
// float64 the upper 53 bits of a word. So the mask is that of the CPU, bit for bit.
//
// macros   REAL   BLOCK

typedef unsigned long long Word;

#define ROUNDS 10
#define MULTIPLY_0 0xD2E7470EE14C6C93ull
#define MULTIPLY_1 0xCA5A826395121157ull
#define WEYL_0 0x9E3779B97F4A7C15ull  // the golden ratio
#define WEYL_1 0xBB67AE8584CAA73Bull  // the square root of 3, less 1
#define DRAWS (sizeof(REAL) == 4 ? 8 : 4)

__device__ __forceinline__ void philox(Word (&block)[4], Word key_0, Word key_1) {
#pragma unroll
  for (int round = 0; round < ROUNDS; round++) {
    const Word high_0 = __umul64hi(MULTIPLY_0, block[0]), low_0 = MULTIPLY_0 * block[0];
    const Word high_1 = __umul64hi(MULTIPLY_1, block[2]), low_1 = MULTIPLY_1 * block[2];
    block[0] = high_1 ^ block[1] ^ key_0;
    block[1] = low_1;
    block[2] = high_0 ^ block[3] ^ key_1;
    block[3] = low_0;
    key_0 += WEYL_0;
    key_1 += WEYL_1;
  }
}

// The `draw`-th number in [0, 1) of a block.
__device__ __forceinline__ REAL uniform(const Word (&block)[4], int draw) {
  if (sizeof(REAL) == 8) return (REAL)(block[draw % 4] >> 11) * (REAL)(1.0 / 9007199254740992.0);
  const unsigned half = (unsigned)(block[draw / 2] >> (draw % 2 * 32));
  return (REAL)(half >> 8) * (REAL)(1.0 / 16777216.0);
}

extern "C" __global__ void __launch_bounds__(BLOCK)
dropout(const REAL* x, REAL* y /* may be x */, const Word* __restrict__ seeds, const long long* __restrict__ clock,
        Word stream, long long n, REAL p, REAL scale /* 1 / (1 - p) */) {
  const long long j = (long long)blockIdx.x * BLOCK + threadIdx.x, row = blockIdx.y * n;
  if (j * DRAWS >= n) return;
  Word block[4] = {(Word)j + 1, 0, 0, (Word)clock[0]};
  philox(block, seeds[blockIdx.y], stream);
#pragma unroll
  for (int draw = 0; draw < DRAWS; draw++) {
    const long long i = j * DRAWS + draw;
    // a product, as on the CPU: NaN and infinity show even where they are dropped
    if (i < n) y[row + i] = x[row + i] * (uniform(block, draw) >= p ? (REAL)1 : (REAL)0) * scale;
  }
}

// u itself, for whoever needs the numbers.   launch as dropout
extern "C" __global__ void __launch_bounds__(BLOCK)
draw_uniform(REAL* __restrict__ u, const Word* __restrict__ seeds, const long long* __restrict__ clock, Word stream,
             long long n) {
  const long long j = (long long)blockIdx.x * BLOCK + threadIdx.x, row = blockIdx.y * n;
  if (j * DRAWS >= n) return;
  Word block[4] = {(Word)j + 1, 0, 0, (Word)clock[0]};
  philox(block, seeds[blockIdx.y], stream);
#pragma unroll
  for (int draw = 0; draw < DRAWS; draw++)
    if (const long long i = j * DRAWS + draw; i < n) u[row + i] = uniform(block, draw);
}
