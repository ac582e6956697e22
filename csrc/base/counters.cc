#include "base/counters.h"

namespace seehear {
namespace {

constexpr const char* kNames[] = {
    "hops",           "nonfinite_samples", "clamped_samples",   "saturated_samples",
    "images_queued",  "images_refused",    "images_superseded", "images_mistimed",
    "images_no_face", "images_frozen",     "late_ticks",        "lip_runs",
    "gate_runs",      "audio_failures",    "lip_failures",      "gate_failures",
};
static_assert(sizeof kNames / sizeof kNames[0] == Counters::kCount, "one name per counter");

}  // namespace

const char* Counters::Name(int index) { return kNames[index]; }

void Counters::Reset() noexcept {
  for (auto& value : values_) value.store(0, std::memory_order_relaxed);
}

}  // namespace seehear
