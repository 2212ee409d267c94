// Memory that notices when a kernel leaves it, and the handlers that turn the fault into a message.
#pragma once
#include <stddef.h>

#include <string>

namespace emulator {

// One array between two pages that may not be touched. It lies against the page after it, or, `at_front`,
// against the page before it. What alignment leaves between array and page is filled with a pattern that reads
// as NaN and is checked for writes. In a sanitizer's build the array is a plain allocation, which the sanitizer
// watches itself.
struct Guarded {
  char* data = nullptr;
  Guarded() = default;
  Guarded(size_t size, size_t misalignment, bool at_front);  // data % 16 == misalignment
  bool intact() const;
  bool near(const void* address) const;
  long offset(const void* address) const { return (const char*)address - data; }
  void release();

 private:
  char* pages = nullptr;
  size_t length = 0, size = 0;
};

// While alive, faults of the running kernel, and running longer than some seconds of processor time, end the
// launch and not the process.
struct Handlers {
  explicit Handlers(int seconds);
  ~Handlers();
};

// Provided by the machine.
[[noreturn]] void stop(const std::string& message, void* instruction);
bool running();
bool in_shared(const void* address, std::string& name);

}  // namespace emulator
