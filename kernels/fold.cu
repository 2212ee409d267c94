// Sums, largest elements and inner products along one axis of an array, the axis anywhere.
//
//   out[o, i] = sum_r x[o, r, i]     or their maximum, the index of the first maximum, or sum_r x[o, r, i] y[o, r, i]
//
//   x, y    (outer, n, inner), elements any distance apart     out (outer, slabs, inner), likewise
//
// launch   grid (ceil(inner / WIDE), outer, slabs)   block (WIDE, DEEP); a block reduces one slab of WIDE columns
// moves    4 outer n inner bytes in float32, twice that for the inner product
//
// Where inner is the contiguous axis, 32 columns side by side make the loads contiguous; where the reduced axis is,
// one column and a deep block do. `reduce.cu` is this for long rows alone. A long column takes two launches: slabs to
// partial results, then those to one. Every addition has its place, so the same inputs give the same bits.
//
// NaN counts as larger than everything, as in the plain-array version: one NaN and the maximum is NaN.
//
// macros   REAL   SOURCE, RESULT (types)   WIDE   DEEP (powers of two)   FOLD (0 sum, 1 max, 2 argmax, 3 inner product)

enum { SUM, MAX, ARGMAX, DOT };

// What a thread has found so far: a sum, or a largest element and where it was.
struct Found {
  REAL value;
  long long at;
  __device__ __forceinline__ bool beats(const Found& other) const {
    if (value != value) return other.value == other.value || at < other.at;
    return value > other.value || (value == other.value && at < other.at);
  }
  __device__ __forceinline__ void join(const Found& other) {
    if (FOLD == SUM || FOLD == DOT)
      value += other.value;
    else if (other.beats(*this))
      *this = other;
  }
};

extern "C" __global__ void __launch_bounds__(WIDE* DEEP)
fold(const SOURCE* x, const SOURCE* y /* of the inner product, else null */, RESULT* out, int inner, long long n,
     long long slab, long long x_outer, long long x_apart, long long x_inner, long long y_outer, long long y_apart,
     long long y_inner, long long out_outer, long long out_slab, long long out_inner) {
  __shared__ Found found[DEEP][WIDE];
  const int i = blockIdx.x * WIDE + threadIdx.x, row = threadIdx.y;
  const long long first = blockIdx.z * slab, last = first + slab < n ? first + slab : n;
  const long long column = i < inner ? i : 0;  // threads beside the array work on its first column, for nothing
  x += blockIdx.y * x_outer + column * x_inner;
  if (FOLD == DOT) y += blockIdx.y * y_outer + column * y_inner;

  // a sum starts from nothing, a maximum from the first element, which all threads may count
  Found mine = {FOLD == SUM || FOLD == DOT ? (REAL)0 : (REAL)x[first * x_apart], first};
  for (long long r = first + row; r < last; r += DEEP) {
    REAL value = (REAL)x[r * x_apart];
    if (FOLD == DOT) value *= (REAL)y[r * y_apart];
    mine.join({value, r});
  }
  found[row][threadIdx.x] = mine;
  __syncthreads();
#pragma unroll
  for (int apart = DEEP / 2; apart; apart /= 2) {
    if (row < apart) found[row][threadIdx.x].join(found[row + apart][threadIdx.x]);
    __syncthreads();
  }
  if (row || i >= inner) return;
  const Found all = found[0][threadIdx.x];
  out[blockIdx.y * out_outer + blockIdx.z * out_slab + i * out_inner] =
      FOLD == ARGMAX ? (RESULT)all.at : (RESULT)all.value;
}
