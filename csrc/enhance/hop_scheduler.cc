#include "enhance/hop_scheduler.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/denormals.h"

namespace seehear {

Status HopScheduler::Prepare(const SchedulerConfig& config) {
  SEEHEAR_RETURN_IF_ERROR(config.frame.Validate());
  if (config.faces < 1 || config.faces > kMaxFaces || (config.faces > 1 && !config.has_vision)) {
    return Status::Error("faces must be 1 to %d, and 1 for a model without eyes, got %d", kMaxFaces,
                         config.faces);
  }
  frame_ = config.frame;
  has_vision_ = config.has_vision;
  if (!set_floor_db(config.floor_db)) {
    return Status::Error("fusion.floor_db must be -80 to 0, got %g", config.floor_db);
  }
  SEEHEAR_RETURN_IF_ERROR(graphs_.Allocate(config.graphs.size()));
  for (int i = 0; i < config.graphs.size(); ++i)
    SEEHEAR_RETURN_IF_ERROR(graphs_[i].Prepare(config.graphs[i]));
  SEEHEAR_RETURN_IF_ERROR(sound_.Prepare(config, &graphs_));
  SEEHEAR_RETURN_IF_ERROR(faces_.Allocate(config.faces));
  for (FacePath& face : faces_) SEEHEAR_RETURN_IF_ERROR(face.Prepare(config, sound_, &graphs_));
  SEEHEAR_RETURN_IF_ERROR(track_.Prepare(sound_.frame(), sound_.layout()));
  if (has_vision_ && !set_visual_delay_ms(config.visual.delay_ms)) {
    return Status::Error("visual.delay_ms must be 0 to 500, got %g", config.visual.delay_ms);
  }
  if (faces() > 1) {
    SEEHEAR_RETURN_IF_ERROR(joint_.Allocate(bands()));
    SEEHEAR_RETURN_IF_ERROR(rows_.Allocate(faces()));
    for (Track& row : rows_) SEEHEAR_RETURN_IF_ERROR(row.Prepare(sound_.frame(), sound_.layout()));
    for (auto* per_bin : {&re_, &im_}) SEEHEAR_RETURN_IF_ERROR(per_bin->Allocate(frame_.bins()));
    SEEHEAR_RETURN_IF_ERROR(row_.Allocate(frame_.hop));
  }
  selected_ = (1u << faces()) - 1;
  Reset();
  return Status::Ok();
}

void HopScheduler::Reset() noexcept {
  sound_.Reset();
  for (FacePath& face : faces_) face.Reset();
  track_.Reset();
  for (Track& row : rows_) row.Reset();
  std::fill(joint_.begin(), joint_.end(), 1.0f);
  counters_.Reset();
  clock_.Set(0);
}

bool HopScheduler::set_strength(float strength) noexcept {
  if (!(strength >= 0.0f && strength <= 1.0f)) return false;
  strength_.store(strength, std::memory_order_relaxed);
  return true;
}

bool HopScheduler::set_floor_db(float floor_db) noexcept {
  if (!(floor_db >= kMinFloorDb && floor_db <= 0.0f)) return false;
  floor_db_.store(floor_db, std::memory_order_relaxed);
  floor_gain_.store(std::pow(10.0f, floor_db / 20.0f), std::memory_order_relaxed);
  return true;
}

bool HopScheduler::set_visual_delay_ms(float delay_ms) noexcept {
  if (!(delay_ms >= 0.0f && delay_ms <= kMaxVisualDelayMs)) return false;
  delay_ms_.store(delay_ms, std::memory_order_relaxed);
  return true;
}

bool HopScheduler::set_selected(uint32_t faces) noexcept {
  if (faces == 0 || faces >> faces_.size() != 0) return false;
  selected_.store(faces, std::memory_order_relaxed);
  return true;
}

double HopScheduler::now() const noexcept {
  return static_cast<double>(clock_.Get()) * frame_.hop / frame_.rate;
}

bool HopScheduler::See(const float* landmarks, double t, int face) noexcept {
  const bool queued = has_vision_ && face >= 0 && face < faces() && std::abs(t - now()) <= kReach &&
                      faces_[face].See(landmarks, t);  // no NaN passes
  counters_.Add(queued ? Counter::kImagesQueued : Counter::kImagesRefused);
  return queued;
}

void HopScheduler::Process(const float* in, float* out, float* const* rows) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  const uint64_t hop = clock_.Get();
  const double end = static_cast<double>(hop + 1) * frame_.hop / frame_.rate;
  const double delay = 0.001 * static_cast<double>(visual_delay_ms());
  const float floor_gain = floor_gain_.load(std::memory_order_relaxed);
  sound_.Analyze(in, &counters_);
  for (FacePath& face : faces_) face.Look(hop, end, delay, invoke_, &counters_);
  sound_.Listen(invoke_, &counters_);
  for (FacePath& face : faces_) face.Fuse(hop, invoke_, &counters_);
  if (faces() > 1) {
    Join();
    RenderRows(floor_gain, rows);
  }
  track_.Render(mask(), floor_gain, strength(), sound_.re(), sound_.im(), out);
  if (faces() == 1 && rows != nullptr) std::memcpy(rows[0], out, frame_.hop * sizeof(float));
  clock_.Step();
  counters_.Add(Counter::kHops);
}

void HopScheduler::Flush(float* out) noexcept {
  // The tail is one hop long (synthesis = two hops): a hop of silence pushes it out.
  std::fill(out, out + frame_.hop, 0.0f);
  Process(out, out);
}

void HopScheduler::Join() noexcept {
  for (FacePath& face : faces_) {
    for (const FacePath& other : faces_) {
      if (&other != &face) face.Yield(other);
    }
  }
  const uint32_t chosen = selected();
  float widest = 0;
  for (int k = 0; k < faces(); ++k) {
    if (chosen >> k & 1) widest = std::max(widest, faces_[k].ramp());
  }
  if (widest <= 0) {  // nobody of them is in sight: by sound alone (E7)
    std::memcpy(joint_.data(), irm(), bands() * sizeof(float));
    return;
  }
  // The largest mask (E9), each as far as its gate has opened: who comes into view is not let in at once.
  std::fill(joint_.begin(), joint_.end(), 0.0f);
  for (int k = 0; k < faces(); ++k) {
    if ((chosen >> k & 1) == 0) continue;
    const float share = faces_[k].ramp() / widest;
    for (int b = 0; b < bands(); ++b) joint_[b] = std::max(joint_[b], share * faces_[k].mask()[b]);
  }
}

void HopScheduler::RenderRows(float floor_gain, float* const* rows) noexcept {
  for (int k = 0; k < faces(); ++k) {
    std::memcpy(re_.data(), sound_.re(), re_.size() * sizeof(float));
    std::memcpy(im_.data(), sound_.im(), im_.size() * sizeof(float));
    rows_[k].Render(faces_[k].mask(), floor_gain, strength(), re_.data(), im_.data(),
                    rows != nullptr ? rows[k] : row_.data());
  }
}

}  // namespace seehear
