#include "sight/visual_queue.h"

#include <cstring>

namespace seehear {

Status VisualQueue::Prepare(int capacity) {
  // Positions wrap at 2^32, so only a power of two keeps its places then.
  if (capacity < 1 || capacity > 1024 || (capacity & (capacity - 1)) != 0) {
    return Status::Error("visual.queue must be a power of two from 1 to 1024, got %d", capacity);
  }
  capacity_ = static_cast<uint32_t>(capacity);
  return images_.Allocate(capacity);
}

bool VisualQueue::Push(const float* landmarks, double t) noexcept {
  const uint32_t pushed = pushed_.load(std::memory_order_relaxed);
  if (pushed - popped_.load(std::memory_order_acquire) == capacity_) return false;
  VisualImage& image = images_[static_cast<int>(pushed % capacity_)];
  image.t = t;
  image.has_landmarks = landmarks != nullptr;
  if (landmarks != nullptr) std::memcpy(image.landmarks, landmarks, sizeof image.landmarks);
  pushed_.store(pushed + 1, std::memory_order_release);
  return true;
}

const VisualImage* VisualQueue::At(uint32_t place) const noexcept {
  const uint32_t popped = popped_.load(std::memory_order_relaxed);
  if (pushed_.load(std::memory_order_acquire) - popped <= place) return nullptr;
  return &images_[static_cast<int>((popped + place) % capacity_)];
}

void VisualQueue::Pop() noexcept {
  popped_.store(popped_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void VisualQueue::Clear() noexcept {
  while (Front() != nullptr) Pop();
}

}  // namespace seehear
