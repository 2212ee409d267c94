// The door between Python and the kernels of one file: a table of names, parameter types and launchers.
//
// Included after the text of a kernel file. A launcher takes what cuLaunchKernel takes, a pointer to each
// argument, so that nothing converts a value between the caller and the kernel.
#pragma once

namespace emulator {

// "f4" float, "i8" long long, "u1" unsigned char, "b1" bool; "*" before it: pointer; "c" between: to const
template <class T> struct code { static const char* text(); };
#define EMULATOR_CODE(T, name) template <> struct code<T> { static const char* text() { return name; } };
EMULATOR_CODE(bool, "b1")
EMULATOR_CODE(signed char, "i1")
EMULATOR_CODE(unsigned char, "u1")
EMULATOR_CODE(short, "i2")
EMULATOR_CODE(unsigned short, "u2")
EMULATOR_CODE(int, "i4")
EMULATOR_CODE(unsigned, "u4")
EMULATOR_CODE(long, "i8")
EMULATOR_CODE(long long, "i8")
EMULATOR_CODE(unsigned long, "u8")
EMULATOR_CODE(unsigned long long, "u8")
EMULATOR_CODE(float, "f4")
EMULATOR_CODE(double, "f8")

template <class T> struct parameter {
  static void write(char* to) { strcat(to, code<T>::text()); }
};
template <class T> struct parameter<const T> : parameter<T> {};
template <class T> struct parameter<T*> {
  static void write(char* to) { strcat(to, "*"), strcat(to, code<T>::text()); }
};
template <class T> struct parameter<const T*> {
  static void write(char* to) { strcat(to, "*c"), strcat(to, code<T>::text()); }
};

template <class... A> void describe(void (*)(A...), char* to) {
  to[0] = 0;
  (void)((parameter<A>::write(to), strcat(to, ",")), ...);
}

template <int... I> struct indices {};
template <int n, int... I> struct count_to : count_to<n - 1, n - 1, I...> {};
template <int... I> struct count_to<0, I...> { using type = indices<I...>; };

template <class... A> struct Call {
  void (*kernel)(A...);
  void** arguments;
  template <int... I> void operator()(indices<I...>) { kernel(*(A*)arguments[I]...); }
  static void body(void* self) { (*(Call*)self)(typename count_to<sizeof...(A)>::type()); }
};

template <class... A>
int start(void (*kernel)(A...), const Launch* launch, void** arguments, char* message, size_t length, void** instruction) {
  Call<A...> call{kernel, arguments};
  return run(*launch, Call<A...>::body, &call, message, length, instruction);
}

}  // namespace emulator

#define EMULATOR_ENTRY(kernel, most_threads)                                                                      \
  extern "C" void emulator_describe_##kernel(char* to) { emulator::describe(&kernel, to); }                       \
  extern "C" int emulator_bound_##kernel() { return most_threads; }                                               \
  extern "C" int emulator_start_##kernel(const emulator::Launch* launch, void** arguments, char* message,         \
                                         size_t length, void** instruction) {                                     \
    return emulator::start(&kernel, launch, arguments, message, length, instruction);                             \
  }
