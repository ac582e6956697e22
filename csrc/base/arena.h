// Memory that belongs to the caller, handed out front to back. While an Arena::Use lives, vectors of this
// thread take their memory here; otherwise from the heap. Built with SEEHEAR_NO_HEAP there is no otherwise.
#pragma once

#include <cstddef>

// Bare metal has no threads; a program that makes two models on two of them has an operating system.
#if defined(__unix__) || defined(__APPLE__) || defined(_WIN32)
#define SEEHEAR_THREAD_LOCAL thread_local
#else
#define SEEHEAR_THREAD_LOCAL
#endif

namespace seehear {

class Arena {
 public:
  static constexpr size_t kAlignment = 8;

  // memory: `size` bytes, aligned to kAlignment; they must outlive whatever is made of them.
  Arena(void* memory, size_t size) : next_(static_cast<char*>(memory)), left_(size) {}

  // What a request of so many bytes takes.
  static constexpr size_t Whole(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

  // nullptr when it does not fit.
  void* Take(size_t bytes) noexcept;
  size_t used() const { return used_; }

  class Use {
   public:
    explicit Use(Arena* arena) : before_(current_) { current_ = arena; }
    ~Use() { current_ = before_; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Arena* before_;
  };

  static Arena* current() { return current_; }

 private:
  static SEEHEAR_THREAD_LOCAL Arena* current_;
  char* next_;
  size_t left_;
  size_t used_ = 0;
};

}  // namespace seehear
