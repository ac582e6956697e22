#include "base/arena.h"

namespace seehear {

SEEHEAR_THREAD_LOCAL Arena* Arena::current_ = nullptr;

void* Arena::Take(size_t bytes) noexcept {
  if (bytes > left_) return nullptr;
  const size_t whole = Whole(bytes);
  if (whole > left_) return nullptr;
  void* taken = next_;
  next_ += whole;
  left_ -= whole;
  used_ += whole;
  return taken;
}

}  // namespace seehear
