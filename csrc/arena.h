// Memory that belongs to the caller, handed out front to back. While an Arena::Use lives, vectors of this
// thread take their memory here; otherwise from the heap. Built with SEEHEAR_NO_HEAP there is no otherwise.
#pragma once

#include <cstddef>

namespace seehear {

class Arena {
 public:
  static constexpr size_t kAlignment = 8;

  // memory: `size` bytes, aligned to kAlignment; they must outlive whatever is made of them.
  Arena(void* memory, size_t size) : next_(static_cast<char*>(memory)), left_(size) {}

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
#if defined(SEEHEAR_NO_HEAP)
  static Arena* current_;
#else
  static thread_local Arena* current_;
#endif
  char* next_;
  size_t left_;
  size_t used_ = 0;
};

}  // namespace seehear
