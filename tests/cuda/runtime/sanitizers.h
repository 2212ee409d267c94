// What AddressSanitizer and ThreadSanitizer must be told about fibers; nothing at all in a plain build.
//
// ThreadSanitizer sees every CUDA thread as a thread of its own, ordered against others only by what orders
// them on the device: __syncthreads, warp collectives, fenced atomics.
#pragma once
#include <stddef.h>

#if defined(EMULATOR_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" void __tsan_ignore_thread_begin();
extern "C" void __tsan_ignore_thread_end();
#elif defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulator {

#if defined(EMULATOR_TSAN)

struct SanitizerFiber {
  void* handle = nullptr;
  unsigned barriers = 0, whole_warps = 0, collectives = 0, parity = 0;
  char meetings[2];  // two addresses in turn: a lane may arrive at the next collective before all left the last
};
// Blocks take turns with two sets of fibers, which nothing orders: what a block does to memory races with its
// neighbours'. A set of its own for every block would show no more bugs, and takes minutes to create.
constexpr int SETS = 2;
inline int set = 0;
inline char start_of_launch, end_of_threads, barrier_meetings[SETS][2], warp_meetings[SETS][32][2];

struct Unseen {  // accesses of the machine itself are not judged
  Unseen() { __tsan_ignore_thread_begin(); }
  ~Unseen() { __tsan_ignore_thread_end(); }
};
inline void new_fiber(SanitizerFiber& fiber, char*, size_t) {
  if (fiber.handle) __tsan_destroy_fiber(fiber.handle);
  fiber.handle = __tsan_create_fiber(0);
}
inline void before_switch(SanitizerFiber&, SanitizerFiber& to, bool, char*, size_t) {
  __tsan_switch_to_fiber(to.handle, __tsan_switch_to_fiber_no_sync);
}
inline void after_switch(SanitizerFiber&, bool) {}
inline void first_switch() {}
inline void thread_begins(SanitizerFiber& me) {
  me.barriers = me.whole_warps = me.collectives = 0;
  __tsan_acquire(&start_of_launch);
}
inline void thread_ends() { __tsan_release(&end_of_threads); }
inline void launch_begins(SanitizerFiber& scheduler) {
  scheduler.handle = __tsan_get_current_fiber();
  __tsan_release(&start_of_launch);
}
inline void launch_ends() { __tsan_acquire(&end_of_threads); }
inline char* arrive_at_barrier(SanitizerFiber& me) {
  char* meeting = &barrier_meetings[set][me.barriers++ & 1];
  __tsan_release(meeting);
  return meeting;
}
inline void leave_barrier(char* meeting) { __tsan_acquire(meeting); }
// A whole warp meets at one address, as a block does; lanes of a smaller mask meet only each other.
constexpr unsigned WHOLE = 0xffffffffu;
inline void arrive_in_warp(SanitizerFiber& me, unsigned warp, unsigned mask) {
  __tsan_release(mask == WHOLE ? &warp_meetings[set][warp][me.whole_warps & 1] : &me.meetings[me.collectives & 1]);
}
template <class BatchTransfer> void meet_in_warp(SanitizerFiber& me, unsigned mask, BatchTransfer lane) {
  me.parity = 0;
  for (unsigned k = 0; k < 32; k++)
    if (mask >> k & 1) me.parity |= (lane(k).collectives & 1) << k;
}
template <class BatchTransfer> void leave_warp(SanitizerFiber& me, unsigned warp, unsigned mask, BatchTransfer lane) {
  if (mask == WHOLE) return __tsan_acquire(&warp_meetings[set][warp][me.whole_warps++ & 1]);
  me.collectives++;
  for (unsigned k = 0; k < 32; k++)
    if (mask >> k & 1) __tsan_acquire(&lane(k).meetings[me.parity >> k & 1]);
}

#else

struct SanitizerFiber { void* fake_stack = nullptr; };
constexpr int SETS = 1;
inline int set = 0;
struct Unseen { ~Unseen() {} };

#if defined(__SANITIZE_ADDRESS__)
inline const void* main_stack;
inline size_t main_size;
inline void new_fiber(SanitizerFiber& fiber, char* stack, size_t size) {
  fiber.fake_stack = nullptr;
  ASAN_UNPOISON_MEMORY_REGION(stack, size);
}
inline void before_switch(SanitizerFiber& from, SanitizerFiber&, bool to_main, char* stack, size_t size) {
  __sanitizer_start_switch_fiber(&from.fake_stack, to_main ? main_stack : stack, to_main ? main_size : size);
}
inline void after_switch(SanitizerFiber& from, bool from_main) {
  __sanitizer_finish_switch_fiber(from.fake_stack, from_main ? nullptr : &main_stack, from_main ? nullptr : &main_size);
}
inline void first_switch() { __sanitizer_finish_switch_fiber(nullptr, &main_stack, &main_size); }
#else
inline void new_fiber(SanitizerFiber&, char*, size_t) {}
inline void before_switch(SanitizerFiber&, SanitizerFiber&, bool, char*, size_t) {}
inline void after_switch(SanitizerFiber&, bool) {}
inline void first_switch() {}
#endif

inline void thread_begins(SanitizerFiber&) {}
inline void thread_ends() {}
inline void launch_begins(SanitizerFiber&) {}
inline void launch_ends() {}
inline char* arrive_at_barrier(SanitizerFiber&) { return nullptr; }
inline void leave_barrier(char*) {}
inline void arrive_in_warp(SanitizerFiber&, unsigned, unsigned) {}
template <class BatchTransfer> void meet_in_warp(SanitizerFiber&, unsigned, BatchTransfer) {}
template <class BatchTransfer> void leave_warp(SanitizerFiber&, unsigned, unsigned, BatchTransfer) {}

#endif

}  // namespace emulator
