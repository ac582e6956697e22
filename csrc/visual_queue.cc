#include "visual_queue.h"

#include <cstring>

namespace seehear {

bool VisualQueue::Push(const float* landmarks, double t) noexcept {
  const uint32_t pushed = pushed_.load(std::memory_order_relaxed);
  if (pushed - popped_.load(std::memory_order_acquire) == kCapacity) return false;
  VisualImage& image = images_[pushed % kCapacity];
  image.t = t;
  image.has_landmarks = landmarks != nullptr;
  if (landmarks != nullptr) std::memcpy(image.landmarks, landmarks, sizeof image.landmarks);
  pushed_.store(pushed + 1, std::memory_order_release);
  return true;
}

const VisualImage* VisualQueue::Front() const noexcept {
  const uint32_t popped = popped_.load(std::memory_order_relaxed);
  if (pushed_.load(std::memory_order_acquire) == popped) return nullptr;
  return &images_[popped % kCapacity];
}

void VisualQueue::Pop() noexcept {
  popped_.store(popped_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void VisualQueue::Clear() noexcept {
  while (Front() != nullptr) Pop();
}

}  // namespace seehear
