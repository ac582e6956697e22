#include "sight/face_state.h"

#include <cstring>

namespace seehear {
namespace {

constexpr double kLongestPeriod = 0.1;  // a camera slower than 10 images per second counts as late
constexpr double kTolerance = 0.001;

}  // namespace

Status FaceState::Prepare(const VisualSpec& spec) {
  if (spec.rate < 1 || spec.masks_per_image < 1) {
    return Status::Error("visual.rate and visual.masks_per_image must be at least 1, got %d and %d",
                         spec.rate, spec.masks_per_image);
  }
  if (spec.frozen_images < 1 || spec.images_on < 1 || spec.images_off < 1) {
    return Status::Error(
        "visual.frozen_images, images_on and images_off must be at least 1, got %d, %d and %d",
        spec.frozen_images, spec.images_on, spec.images_off);
  }
  rate_ = spec.rate;
  frozen_images_ = spec.frozen_images;
  images_on_ = spec.images_on;
  images_off_ = spec.images_off;
  Reset();
  return Status::Ok();
}

void FaceState::Reset() noexcept {
  set_status(FaceStatus::kNone);
  has_image_ = false;
  newest_time_ = gap_ = good_time_ = 0;
  good_ = bad_ = repeats_ = 0;
  last_ = VisualImage();
  for (float& distance : distances_) distance = 0.0f;
}

bool FaceState::Repeats(const VisualImage& image) noexcept {
  const bool same = has_image_ && image.has_landmarks && last_.has_landmarks &&
                    std::memcmp(image.landmarks, last_.landmarks, sizeof image.landmarks) == 0;
  if (!same) {
    repeats_ = 0;
  } else if (repeats_ < frozen_images_) {
    ++repeats_;
  }
  return repeats_ >= frozen_images_;
}

FaceStatus FaceState::See(const VisualImage& image) noexcept {
  const bool frozen = Repeats(image);
  gap_ = has_image_ ? image.t - newest_time_ : 0;
  newest_time_ = image.t;
  has_image_ = true;
  last_ = image;

  const bool has_face = image.has_landmarks && LipGeometry::Measure(image.landmarks, distances_);
  if (has_face && !frozen) {
    good_time_ = image.t;
    bad_ = 0;
    if (good_ < images_on_) ++good_;
    if (good_ >= images_on_) set_status(FaceStatus::kSeen);
    return FaceStatus::kSeen;
  }
  const FaceStatus kind = has_face ? FaceStatus::kFrozen : FaceStatus::kNoFace;
  good_ = 0;
  if (bad_ < images_off_) ++bad_;
  if (!seen() || bad_ >= images_off_) set_status(kind);
  return kind;
}

void FaceState::Tick(double now, double delay) noexcept {
  if (!has_image_) return;
  double period = 1.0 / rate_;
  const double gap = gap_ < kLongestPeriod ? gap_ : kLongestPeriod;
  if (gap > period) period = gap;
  if (now - newest_time_ <= delay + period + kTolerance) return;
  set_status(FaceStatus::kLate);
  good_ = 0;
}

const char* FaceState::name() const {
  switch (status()) {
    case FaceStatus::kNone:
      return "none";
    case FaceStatus::kSeen:
      return "seen";
    case FaceStatus::kNoFace:
      return "no_face";
    case FaceStatus::kFrozen:
      return "frozen";
    case FaceStatus::kLate:
      return "late";
  }
  return "none";
}

}  // namespace seehear
