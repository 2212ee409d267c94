// Gather of a batch: the rows that an index names, scaled and converted on the way.
//
//   x[r, b, :] = scale * data[index[r, b], :]      target and weight likewise, as they are
//
//   data    (N, D)      of type SOURCE: bytes stay bytes in memory, a quarter of the traffic of floats
//   index   (R, B)      int64; held to [0, N - 1], as the CPU's take with mode "clip"
//   x       (R, B, D)   of type RESULT
//   rows    (N, words)   what else belongs to an example, its target and its weight, in words of 4 bytes; or null
//
// launch   block (WIDE, HIGH): WIDE threads along a row, HIGH rows   grid (ceil(R B / HIGH), ceil(D / (WIDE VECTOR)))
// moves    R B D (sizeof SOURCE + sizeof RESULT) bytes, and 8 R B of index
//         and 8 a word of the other rows
//
// Rows lie anywhere but are themselves contiguous, so threads walk along rows; short rows (labels, D = 1) share a
// block, so that no warp idles. With VECTOR = 4
// a thread converts four neighbours: one 4-byte load and one 16-byte store where a byte at a time would fill a
// quarter of each transaction. That needs D to be a multiple of 4 and both arrays aligned; the launcher looks.
//
// macros   SOURCE   RESULT   WIDE   HIGH   VECTOR (1 or 4)   SCALED (0 copies: labels keep all their 64 bits)

template <class T> struct __align__(VECTOR * sizeof(T) < 16 ? VECTOR * sizeof(T) : 16) Few { T at[VECTOR]; };

__device__ __forceinline__ void copy_row(const int* from, int* to, int words, long long n, long long example) {
  for (int word = threadIdx.x; word < words; word += WIDE) to[example * words + word] = from[n * words + word];
}

extern "C" __global__ void __launch_bounds__(WIDE * HIGH)
gather(const SOURCE* __restrict__ data, const long long* __restrict__ index, RESULT* __restrict__ x,
       const int* __restrict__ targets, int* __restrict__ target, const int* __restrict__ weights,
       int* __restrict__ weight, long long examples /* R B */, long long N, int D, int target_words, int weight_words,
       RESULT scale) {
  const long long example = (long long)blockIdx.x * HIGH + threadIdx.y;
  const int d = (blockIdx.y * WIDE + threadIdx.x) * VECTOR;
  if (example >= examples) return;
  const long long named = index[example];
  const long long n = named < 0 ? 0 : named < N ? named : N - 1;
  if (blockIdx.y == 0) {
    copy_row(targets, target, target_words, n, example);
    copy_row(weights, weight, weight_words, n, example);
  }
  if (d >= D) return;
  const Few<SOURCE> raw = *reinterpret_cast<const Few<SOURCE>*>(data + n * D + d);
  Few<RESULT> converted;
#pragma unroll
  for (int e = 0; e < VECTOR; e++) converted.at[e] = SCALED ? scale * (RESULT)raw.at[e] : (RESULT)raw.at[e];
  *reinterpret_cast<Few<RESULT>*>(x + example * D + d) = converted;
}
