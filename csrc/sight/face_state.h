// Whether a usable face is in sight: hysteresis over images, frozen and late pictures.
#pragma once

#include <atomic>

#include "base/status.h"
#include "base/vector.h"
#include "sight/lip_geometry.h"
#include "sight/visual_queue.h"

namespace seehear {

struct VisualSpec {
  int rate = 25;            // images per second that the lip net was taught with
  int masks_per_image = 4;  // hops per image
  float delay_ms = 80.0f;   // age of an image when its masks are wanted
  Vector<float> mean;       // of the 24 lip features
  Vector<float> std_dev;
  float clip = 4.0f;       // standard deviations
  int frozen_images = 10;  // so many bit-exact repeats are still a calm face
  int images_on = 3;       // good images before a face is SEEN
  int images_off = 2;      // bad images before it is not
  int queue = 64;          // images that may wait: 2.5 s at 25 images per second
};

enum class FaceStatus { kNone, kSeen, kNoFace, kFrozen, kLate };

class FaceState {
 public:
  Status Prepare(const VisualSpec& spec);
  void Reset() noexcept;

  // Next eligible image, newer than the one before. Returns what it is by itself: kSeen (good), kNoFace or
  // kFrozen.
  FaceStatus See(const VisualImage& image) noexcept;
  // At each visual tick, after its images. now, delay: seconds.
  void Tick(double now, double delay) noexcept;

  FaceStatus status() const { return status_.load(std::memory_order_relaxed); }  // any thread
  bool seen() const { return status() == FaceStatus::kSeen; }
  const char* name() const;  // "none", "seen", "no_face", "frozen", "late"; any thread

  double newest_time() const { return newest_time_; }  // of the last image; only meaningful after one
  bool has_image() const { return has_image_; }
  const float* distances() const { return distances_; }  // of the last good image
  double distances_time() const { return good_time_; }

 private:
  bool Repeats(const VisualImage& image) noexcept;
  void set_status(FaceStatus status) { status_.store(status, std::memory_order_relaxed); }

  int rate_ = 25, frozen_images_ = 10, images_on_ = 3, images_off_ = 2;
  std::atomic<FaceStatus> status_{FaceStatus::kNone};
  bool has_image_ = false;
  double newest_time_ = 0;
  double gap_ = 0;  // between the last two images
  double good_time_ = 0;
  float distances_[LipGeometry::kDistances] = {};
  int good_ = 0, bad_ = 0;  // images in a row
  int repeats_ = 0;         // bit-exact repeats in a row
  VisualImage last_;
};

}  // namespace seehear
