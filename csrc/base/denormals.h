// How the processor treats numbers too small for their full precision, for as long as an object lives; then
// as before. Sound that fades away ends in such numbers, and many processors take a hundred times as long for
// each of them.
#pragma once

#include <cstdint>

#if defined(__SSE__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace seehear {

class Denormals {
 public:
  enum Treatment { kAsZero, kAsTheyAre };

  explicit Denormals(Treatment treatment) noexcept : before_(Get()) {
    Set(treatment == kAsZero ? before_ | kFlush : before_ & ~kFlush);
  }
  ~Denormals() { Set(before_); }
  Denormals(const Denormals&) = delete;
  Denormals& operator=(const Denormals&) = delete;

 private:
#if defined(__SSE__) || defined(_M_X64)
  using Word = unsigned;
  static constexpr Word kFlush = 0x8040;  // results (FTZ) and operands (DAZ)
  static Word Get() noexcept { return _mm_getcsr(); }
  static void Set(Word word) noexcept { _mm_setcsr(word); }
#elif defined(__aarch64__) && defined(__GNUC__)
  using Word = uint64_t;
  static constexpr Word kFlush = 1 << 24;  // FPCR.FZ: operands and results
  static Word Get() noexcept {
    Word word;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word)::"memory");
    return word;
  }
  static void Set(Word word) noexcept { __asm__ volatile("msr fpcr, %0" ::"r"(word) : "memory"); }
#elif defined(__arm__) && defined(__ARM_FP) && !defined(__SOFTFP__) && defined(__GNUC__)
  using Word = uint32_t;
  static constexpr Word kFlush = 1 << 24;  // FPSCR.FZ: operands and results
  static Word Get() noexcept {
    Word word;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(word)::"memory");
    return word;
  }
  static void Set(Word word) noexcept { __asm__ volatile("vmsr fpscr, %0" ::"r"(word) : "memory"); }
#else
  // A processor without such a mode, or without floating point: nothing to set.
  using Word = unsigned;
  static constexpr Word kFlush = 0;
  static Word Get() noexcept { return 0; }
  static void Set(Word) noexcept {}
#endif

  const Word before_;
};

}  // namespace seehear
