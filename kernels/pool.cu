// Pooling of images: the largest or the mean of each window.
//
//   x, dx   (R B, H, W, C)      y, dy   (R B, OH, OW, C)      OH = (H - KH) / SH + 1, rounded down
//
// launch   forward: grid ceil(R B OH OW C / BLOCK); backward: grid ceil(R B H W C / BLOCK)   block BLOCK
// moves    4 (in + out) bytes in float32 forward; backward also reads x for the maximum
//
// One thread for one number of the result, channels fastest, so that a warp's loads are contiguous. Backward, too,
// goes by the result: a pixel of dx gathers from the windows that cover it, instead of windows that overlap
// scattering into it, which would need atomics and lose the order of addition.
//
// macros   REAL   BLOCK          fewer than 2^31 elements

struct Window {  // of images and of the pooled images
  int H, W, C, OH, OW, KH, KW, SH, SW;
};

// One channel of one place in a stack of images.
struct Place {
  int image, i, j, c;
  __device__ __forceinline__ Place(int element, int width, int height, int channels) {
    c = element % channels;
    const int column = element / channels, row = column / width;  // 32 bits: 64-bit divisions are slow
    j = column % width;
    i = row % height;
    image = row / height;
  }
};

__device__ __forceinline__ int pixel(const Window& w, int image, int i, int j, int c) {
  return ((image * w.H + i) * w.W + j) * w.C + c;
}

// The windows that cover a pixel along one axis: those that start no more than `kernel` - 1 before it.
__device__ __forceinline__ int first_window(int pixel, int kernel, int stride) {
  return pixel < kernel ? 0 : (pixel - kernel) / stride + 1;
}

__device__ __forceinline__ int last_window(int pixel, int stride, int windows) { return min(windows - 1, pixel / stride); }

extern "C" __global__ void __launch_bounds__(BLOCK)
max_pool(const REAL* __restrict__ x, REAL* __restrict__ y, int elements, int H, int W, int C, int OH, int OW,
         int KH, int KW, int SH, int SW) {
  const int element = blockIdx.x * BLOCK + threadIdx.x;
  if (element >= elements) return;
  const Window w{H, W, C, OH, OW, KH, KW, SH, SW};
  const Place at(element, OW, OH, C);
  REAL top = x[pixel(w, at.image, at.i * SH, at.j * SW, at.c)];
  for (int k = 0; k < KH; k++)
    for (int l = 0; l < KW; l++) {
      const REAL value = x[pixel(w, at.image, at.i * SH + k, at.j * SW + l, at.c)];
      if (value > top || value != value) top = value;  // NaN wins, and nothing is larger than NaN
    }
  y[element] = top;
}

// dx = dy at the first pixel of its window that has the maximum, 0 elsewhere. The maximum is found again from x: the
// layer above may have written over y.
extern "C" __global__ void __launch_bounds__(BLOCK)
max_pool_dx(const REAL* __restrict__ x, const REAL* __restrict__ dy, REAL* __restrict__ dx, int elements, int H, int W,
            int C, int OH, int OW, int KH, int KW, int SH, int SW) {
  const int element = blockIdx.x * BLOCK + threadIdx.x;
  if (element >= elements) return;
  const Window w{H, W, C, OH, OW, KH, KW, SH, SW};
  const Place at(element, W, H, C);
  const REAL own = x[element];
  REAL sum = 0;
  for (int i = first_window(at.i, KH, SH); i <= last_window(at.i, SH, OH); i++)
    for (int j = first_window(at.j, KW, SW); j <= last_window(at.j, SW, OW); j++) {
      const int place = (at.i - i * SH) * KW + at.j - j * SW;  // in the window, row by row
      bool mine = true;  // larger than all before, not smaller than any after; where one is NaN, no pixel is
      for (int other = 0; mine && other < KH * KW; other++) {
        const REAL value = x[pixel(w, at.image, i * SH + other / KW, j * SW + other % KW, at.c)];
        mine = other < place ? value < own : value <= own;
      }
      if (mine) sum += dy[((at.image * OH + i) * OW + j) * C + at.c];
    }
  dx[element] = sum;
}

extern "C" __global__ void __launch_bounds__(BLOCK)
avg_pool(const REAL* __restrict__ x, REAL* __restrict__ y, int elements, int H, int W, int C, int OH, int OW,
         int KH, int KW, int SH, int SW) {
  const int element = blockIdx.x * BLOCK + threadIdx.x;
  if (element >= elements) return;
  const Window w{H, W, C, OH, OW, KH, KW, SH, SW};
  const Place at(element, OW, OH, C);
  REAL sum = 0;
  for (int k = 0; k < KH; k++)
    for (int l = 0; l < KW; l++) sum += x[pixel(w, at.image, at.i * SH + k, at.j * SW + l, at.c)];
  y[element] = sum * ((REAL)1 / (KH * KW));
}

// dx = dy / K^2 in every pixel of the window; windows that overlap add up
extern "C" __global__ void __launch_bounds__(BLOCK)
avg_pool_dx(const REAL* __restrict__ dy, REAL* __restrict__ dx, int elements, int H, int W, int C, int OH,
            int OW, int KH, int KW, int SH, int SW) {
  const int element = blockIdx.x * BLOCK + threadIdx.x;
  if (element >= elements) return;
  const Place at(element, W, H, C);
  REAL sum = 0;
  for (int i = first_window(at.i, KH, SH); i <= last_window(at.i, SH, OH); i++)
    for (int j = first_window(at.j, KW, SW); j <= last_window(at.j, SW, OW); j++)
      sum += dy[((at.image * OH + i) * OW + j) * C + at.c];
  dx[element] = sum * ((REAL)1 / (KH * KW));
}
