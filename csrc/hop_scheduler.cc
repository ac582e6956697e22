#include "hop_scheduler.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "denormals.h"
#include "fast_math.h"
#include "sample_convert.h"

namespace seehear {
namespace {

// seconds; image times and hop times are computed by different people
constexpr double kTimeTolerance = 1e-6;

// After FaceState and MaskAligner have checked them: 31 bits x 64 x 12 bits fit.
Status CheckVisualRate(const FrameSpec& frame, const VisualSpec& visual) {
  if (static_cast<long long>(visual.rate) * visual.masks_per_image * frame.hop == frame.rate)
    return Status::Ok();
  return Status::Error(
      "visual.rate x visual.masks_per_image must equal the hops per second (%g), got %d x %d",
      static_cast<double>(frame.rate) / frame.hop, visual.rate, visual.masks_per_image);
}

// Whether `word` is one of the words of `list`, separated by spaces.
bool Lists(const char* list, const char* word) {
  const size_t length = std::strlen(word);
  for (const char* at = list; at != nullptr; at = std::strchr(at, ' ')) {
    if (*at == ' ') ++at;
    if (std::strncmp(at, word, length) == 0 && (at[length] == ' ' || at[length] == '\0')) return length > 0;
  }
  return false;
}

}  // namespace

Status HopScheduler::PrepareNet(const NetSpec& spec, const char* allowed, RecurrentNet* net,
                                Vector<Source>* sources) {
  int size = 0;
  SEEHEAR_RETURN_IF_ERROR(sources->Allocate(spec.inputs.size()));
  for (int i = 0; i < spec.inputs.size(); ++i) {
    const Text& role = spec.inputs[i];
    if (!Lists(allowed, role.c_str())) {
      return Status::Error("network %s: input must be one of '%s', got '%s'", spec.name.c_str(), allowed,
                           role.c_str());
    }
    Source& source = (*sources)[i];
    source = {nullptr, bands(), size};
    if (role == "features") source.values = feature_values_.data();
    if (role == "irm") source.values = irm_.data();
    if (role == "ibm") source.values = ibm_.data();
    if (role == "product") source.values = product_.data();
    if (role == "lips") source = {lip_values_, LipFeatures::kSize, size};
    size += source.size;
  }
  if (size == 0) return Status::Error("network %s needs at least one input", spec.name.c_str());
  return net->Prepare(spec, size, &graphs_);
}

Status HopScheduler::PrepareVision(const SchedulerConfig& config) {
  const VisualSpec& visual = config.visual;
  SEEHEAR_RETURN_IF_ERROR(queue_.Prepare(visual.queue));
  SEEHEAR_RETURN_IF_ERROR(face_.Prepare(visual));
  SEEHEAR_RETURN_IF_ERROR(aligner_.Prepare(visual.masks_per_image, bands()));
  SEEHEAR_RETURN_IF_ERROR(CheckVisualRate(frame_, visual));
  SEEHEAR_RETURN_IF_ERROR(lip_features_.Prepare(visual.mean, visual.std_dev, visual.clip));
  SEEHEAR_RETURN_IF_ERROR(PrepareNet(config.lips, "lips", &lip_net_, &lip_sources_));
  SEEHEAR_RETURN_IF_ERROR(
      PrepareNet(config.gate, "features irm ibm product lips", &gate_net_, &gate_sources_));
  Status status;
  lip_masks_ = lip_net_.Output("ibm", visual.masks_per_image * bands(), &status);
  SEEHEAR_RETURN_IF_ERROR(status);
  gate_weight_ = gate_net_.Output("gate", bands(), &status);
  SEEHEAR_RETURN_IF_ERROR(status);
  gate_mask_ =
      config.form == FusionForm::kAv ? gate_net_.Output("mask_av", bands(), &status) : product_.data();
  SEEHEAR_RETURN_IF_ERROR(status);
  if (!set_visual_delay_ms(visual.delay_ms)) {
    return Status::Error("visual.delay_ms must be 0 to 500, got %g", visual.delay_ms);
  }
  return Status::Ok();
}

Status HopScheduler::Prepare(const SchedulerConfig& config) {
  SEEHEAR_RETURN_IF_ERROR(config.frame.Validate());
  frame_ = config.frame;
  has_vision_ = config.has_vision;
  form_ = config.form;
  SEEHEAR_RETURN_IF_ERROR(stft_.Prepare(frame_));
  SEEHEAR_RETURN_IF_ERROR(analyzer_.Prepare(&stft_));
  SEEHEAR_RETURN_IF_ERROR(synthesizer_.Prepare(&stft_));
  SEEHEAR_RETURN_IF_ERROR(bands_.Prepare(config.edges, frame_.bins(), stft_.window.analysis_energy()));
  SEEHEAR_RETURN_IF_ERROR(features_.Prepare(config.features, bands()));
  SEEHEAR_RETURN_IF_ERROR(fusion_.Prepare(bands()));
  if (!set_floor_db(config.floor_db)) {
    return Status::Error("fusion.floor_db must be -80 to 0, got %g", config.floor_db);
  }

  SEEHEAR_RETURN_IF_ERROR(samples_.Allocate(frame_.hop));
  for (auto* per_bin : {&re_, &im_}) SEEHEAR_RETURN_IF_ERROR(per_bin->Allocate(frame_.bins()));
  for (auto* per_band : {&power_, &feature_values_, &irm_, &ibm_, &product_, &gate_, &mask_, &gain_}) {
    SEEHEAR_RETURN_IF_ERROR(per_band->Allocate(bands()));
  }

  SEEHEAR_RETURN_IF_ERROR(graphs_.Allocate(config.graphs.size()));
  for (int i = 0; i < config.graphs.size(); ++i)
    SEEHEAR_RETURN_IF_ERROR(graphs_[i].Prepare(config.graphs[i]));
  SEEHEAR_RETURN_IF_ERROR(PrepareNet(config.audio, "features", &audio_net_, &audio_sources_));
  Status status;
  audio_irm_ = audio_net_.Output("irm", bands(), &status);
  SEEHEAR_RETURN_IF_ERROR(status);
  if (has_vision_) SEEHEAR_RETURN_IF_ERROR(PrepareVision(config));
  Reset();
  return Status::Ok();
}

void HopScheduler::Reset() noexcept {
  analyzer_.Reset();
  synthesizer_.Reset();
  features_.Reset();
  audio_net_.Reset();
  lip_net_.Reset();
  gate_net_.Reset();
  queue_.Clear();
  face_.Reset();
  lip_features_.Reset();
  aligner_.Reset();
  fusion_.Reset();
  counters_.Reset();
  clock_.Set(0);
  std::fill(irm_.begin(), irm_.end(), 1.0f);
  std::fill(mask_.begin(), mask_.end(), 1.0f);
  std::fill(ibm_.begin(), ibm_.end(), 1.0f);
  std::fill(gate_.begin(), gate_.end(), 0.0f);
  std::memset(lip_values_, 0, sizeof lip_values_);
}

bool HopScheduler::set_strength(float strength) noexcept {
  if (!(strength >= 0.0f && strength <= 1.0f)) return false;
  strength_.store(strength, std::memory_order_relaxed);
  return true;
}

bool HopScheduler::set_floor_db(float floor_db) noexcept {
  if (!(floor_db >= -80.0f && floor_db <= 0.0f)) return false;
  floor_db_.store(floor_db, std::memory_order_relaxed);
  floor_gain_.store(std::pow(10.0f, floor_db / 20.0f), std::memory_order_relaxed);
  return true;
}

bool HopScheduler::set_visual_delay_ms(float delay_ms) noexcept {
  if (!(delay_ms >= 0.0f && delay_ms <= 500.0f)) return false;
  delay_ms_.store(delay_ms, std::memory_order_relaxed);
  return true;
}

double HopScheduler::now() const noexcept {
  return static_cast<double>(clock_.Get()) * frame_.hop / frame_.rate;
}

bool HopScheduler::See(const float* landmarks, double t) noexcept {
  const bool queued = std::abs(t - now()) <= kReach && queue_.Push(landmarks, t);  // no NaN passes
  counters_.Add(queued ? Counter::kImagesQueued : Counter::kImagesRefused);
  return queued;
}

bool HopScheduler::Run(RecurrentNet* net, const Vector<Source>& sources, const Invoke& invoke) noexcept {
  for (const Source& source : sources) net->Feed(source.values, source.offset, source.size);
  return net->Process(invoke);
}

void HopScheduler::Process(const float* in, float* out) noexcept {
  const Denormals denormals(Denormals::kAsZero);
  const SampleConvert::Repairs repairs = SampleConvert::Sanitize(in, frame_.hop, samples_.data());
  if (repairs.nonfinite) counters_.Add(Counter::kNonfiniteSamples, repairs.nonfinite);
  if (repairs.clamped) counters_.Add(Counter::kClampedSamples, repairs.clamped);

  analyzer_.Process(samples_.data(), re_.data(), im_.data());
  bands_.Power(re_.data(), im_.data(), power_.data());
  features_.Process(power_.data(), feature_values_.data());
  if (has_vision_ && aligner_.IsTick(clock_.Get())) Look();
  Listen();
  Fuse();

  fusion_.Gain(mask_.data(), floor_gain_.load(std::memory_order_relaxed), strength(), gain_.data());
  bands_.Apply(gain_.data(), re_.data(), im_.data());
  synthesizer_.Process(re_.data(), im_.data(), out);
  clock_.Step();
  counters_.Add(Counter::kHops);
}

void HopScheduler::Flush(float* out) noexcept {
  // The tail is one hop long (synthesis = two hops): a hop of silence pushes it out.
  std::fill(out, out + frame_.hop, 0.0f);
  Process(out, out);
}

void HopScheduler::Listen() noexcept {
  audio_ok_ = Run(&audio_net_, audio_sources_, invoke_);
  if (audio_ok_) {
    for (int b = 0; b < bands(); ++b) irm_[b] = Clamp(audio_irm_[b], 0.0f, 1.0f);
  } else {
    counters_.Add(Counter::kAudioFailures);
    std::fill(irm_.begin(), irm_.end(), 1.0f);  // better noisy than mute
  }
}

void HopScheduler::TakeImages(double now, double delay) noexcept {
  bool taken = false;
  while (const VisualImage* image = queue_.Front()) {
    const bool eligible = image->t <= now - delay + kTimeTolerance;
    // One that waits must not keep back those behind it: after a step of the camera's clock it is the odd
    // one.
    const bool mistimed = Stale(*image) || (!eligible && Overtaken());
    if (!eligible && !mistimed) break;
    if (mistimed) {
      counters_.Add(Counter::kImagesMistimed);
    } else {
      if (taken) counters_.Add(Counter::kImagesSuperseded);
      const FaceStatus kind = face_.See(*image);
      if (kind == FaceStatus::kNoFace) counters_.Add(Counter::kImagesNoFace);
      if (kind == FaceStatus::kFrozen) counters_.Add(Counter::kImagesFrozen);
      taken = true;
    }
    queue_.Pop();
  }
}

bool HopScheduler::Stale(const VisualImage& image) const noexcept {
  return face_.has_image() && image.t <= face_.newest_time();
}

bool HopScheduler::Overtaken() const noexcept {
  const double t = queue_.Front()->t;
  for (uint32_t i = 1; const VisualImage* later = queue_.At(i); ++i) {
    if (later->t <= t && !Stale(*later)) return true;
  }
  return false;
}

void HopScheduler::Look() noexcept {
  const double now = static_cast<double>(clock_.Get() + 1) * frame_.hop / frame_.rate;
  const double delay = 0.001 * static_cast<double>(visual_delay_ms());
  const bool was_seen = face_.seen();
  TakeImages(now, delay);
  face_.Tick(now, delay);
  if (face_.status() == FaceStatus::kLate) counters_.Add(Counter::kLateTicks);
  if (!face_.seen()) {
    if (was_seen) {
      lip_features_.Reset();
      lip_net_.Reset();
      aligner_.Reset();
    }
    return;
  }
  lip_features_.Process(face_.distances(), static_cast<float>(now - face_.distances_time()), lip_values_);
  if (Run(&lip_net_, lip_sources_, invoke_)) {
    counters_.Add(Counter::kLipRuns);
    aligner_.Put(lip_masks_);
  } else {
    counters_.Add(Counter::kLipFailures);
    aligner_.Reset();
    CloseGate();
  }
}

void HopScheduler::CloseGate() noexcept {
  fusion_.Close();
  gate_net_.Reset();
}

void HopScheduler::Fuse() noexcept {
  // While the ramp goes down the last lip mask is held and the gate net keeps listening, so nothing jumps.
  const float* lip_mask = has_vision_ ? aligner_.At(clock_.Get()) : nullptr;
  const bool was_open = fusion_.open();
  fusion_.Step(lip_mask != nullptr);
  if (fusion_.open() && audio_ok_) {
    if (lip_mask != nullptr) std::memcpy(ibm_.data(), lip_mask, bands() * sizeof(float));
    for (int b = 0; b < bands(); ++b) product_[b] = ibm_[b] * irm_[b];
    if (Run(&gate_net_, gate_sources_, invoke_)) {
      counters_.Add(Counter::kGateRuns);
      for (int b = 0; b < bands(); ++b) gate_[b] = Clamp(gate_weight_[b], 0.0f, 1.0f);
      fusion_.Fuse(irm_.data(), gate_mask_, gate_.data(), mask_.data());
      return;
    }
    counters_.Add(Counter::kGateFailures);
    CloseGate();
  } else if (was_open && !fusion_.open()) {
    gate_net_.Reset();
  }
  std::memcpy(mask_.data(), irm_.data(), bands() * sizeof(float));
  std::fill(ibm_.begin(), ibm_.end(), 1.0f);
  std::fill(gate_.begin(), gate_.end(), 0.0f);
}

}  // namespace seehear
