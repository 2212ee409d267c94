// Gather of a batch: the rows that an index names, scaled and converted on the way.
//
//   x[r, b, :] = scale * data[index[r, b], :]
//
//   data    (N, D)      of type SOURCE: bytes stay bytes in memory, a quarter of the traffic of floats
//   index   (R, B)      int64; held to [0, N - 1], as the CPU's take with mode "clip"
//   x       (R, B, D)   of type RESULT
//
// launch   block (WIDE, HIGH): WIDE threads along a row, HIGH rows   grid (ceil(R B / HIGH), ceil(D / (WIDE VECTOR)))
// moves    R B D (sizeof SOURCE + sizeof RESULT) bytes, and 8 R B of index
//
// Rows lie anywhere but are themselves contiguous, so threads walk along rows; short rows (labels, D = 1) share a
// block, so that no warp idles. With VECTOR = 4
// a thread converts four neighbours: one 4-byte load and one 16-byte store where a byte at a time would fill a
// quarter of each transaction. That needs D to be a multiple of 4 and both arrays aligned; the launcher looks.
//
// macros   SOURCE   RESULT   WIDE   HIGH   VECTOR (1 or 4)   SCALED (0 copies: labels keep all their 64 bits)

template <class T> struct __align__(VECTOR * sizeof(T) < 16 ? VECTOR * sizeof(T) : 16) Few { T at[VECTOR]; };

extern "C" __global__ void __launch_bounds__(WIDE * HIGH)
gather(const SOURCE* __restrict__ data, const long long* __restrict__ index, RESULT* __restrict__ x,
       long long examples /* R B */, long long N, int D, RESULT scale) {
  const long long example = (long long)blockIdx.x * HIGH + threadIdx.y;
  const int d = (blockIdx.y * WIDE + threadIdx.x) * VECTOR;
  if (example >= examples || d >= D) return;
  const long long named = index[example];
  const long long n = named < 0 ? 0 : named < N ? named : N - 1;
  const Few<SOURCE> raw = *reinterpret_cast<const Few<SOURCE>*>(data + n * D + d);
  Few<RESULT> converted;
#pragma unroll
  for (int e = 0; e < VECTOR; e++) converted.at[e] = SCALED ? scale * (RESULT)raw.at[e] : (RESULT)raw.at[e];
  *reinterpret_cast<Few<RESULT>*>(x + example * D + d) = converted;
}
