// Lock-free ring of timestamped landmark images: one producer thread, the audio thread consumes.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"
#include "base/vector.h"
#include "sight/lip_geometry.h"

namespace seehear {

struct VisualImage {
  double t = 0;  // seconds on the sample clock
  bool has_landmarks = false;
  float landmarks[2 * LipGeometry::kLandmarks] = {};
};

class VisualQueue {
 public:
  Status Prepare(int capacity);  // images that may wait; a power of two, 1 to 1024

  // Producer. landmarks: 50 pairs, or nullptr for an image without a face. False if the ring is full.
  bool Push(const float* landmarks, double t) noexcept;

  // Consumer: the oldest image, or nullptr; valid until Pop.
  const VisualImage* Front() const noexcept { return At(0); }
  const VisualImage* At(uint32_t place) const noexcept;  // the one `place` behind it, or nullptr
  void Pop() noexcept;
  void Clear() noexcept;

 private:
  Vector<VisualImage> images_;
  uint32_t capacity_ = 0;
  std::atomic<uint32_t> pushed_{0};  // wraps, which the difference to popped_ survives
  std::atomic<uint32_t> popped_{0};
};

}  // namespace seehear
