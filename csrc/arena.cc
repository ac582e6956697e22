#include "arena.h"

namespace seehear {

#if defined(SEEHEAR_NO_HEAP)
Arena* Arena::current_ = nullptr;
#else
thread_local Arena* Arena::current_ = nullptr;
#endif

void* Arena::Take(size_t bytes) noexcept {
  if (bytes > left_) return nullptr;
  const size_t whole = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (whole > left_) return nullptr;
  void* taken = next_;
  next_ += whole;
  left_ -= whole;
  used_ += whole;
  return taken;
}

}  // namespace seehear
