// A flat model made by a stranger: everything behind the header is the input, and the checksum fits. Whatever
// it says, the core refuses it with a sentence or runs it.
#include "firmware/model_image.h"

#include <memory>

#include "enhance/hop_scheduler.h"
#include "firmware/c_api.h"
#include "input.h"
#include "sight/lip_geometry.h"
#include "testing/test_image.h"

using seehear::Arena;
using seehear::HopScheduler;
using seehear::LipGeometry;
using seehear::ModelImage;
using seehear::SchedulerConfig;
using seehear::TestImage;
using seehear::fuzz::Input;
using seehear::fuzz::Promise;
using seehear::fuzz::PromiseSound;

namespace {

void Run(seehear_t* s) {
  const int hop = seehear_hop(s);
  std::vector<float> block(static_cast<size_t>(hop)), face(2 * SEEHEAR_LANDMARKS);
  for (size_t i = 0; i < face.size(); ++i) face[i] = static_cast<float>(i * 37 % 101);
  for (int n = 0; n < 9; ++n) {
    for (int i = 0; i < hop; ++i) block[static_cast<size_t>(i)] = static_cast<float>(i * 31 % 17 - 8) / 16;
    face[0] = static_cast<float>(n);
    seehear_see(s, face.data(), seehear_now(s) - 0.1);
    seehear_process(s, block.data(), block.data());
    PromiseSound(block.data(), hop);
  }
  for (int b = 0; b < seehear_bands(s); ++b) {
    Promise(seehear_mask(s)[b] >= 0 && seehear_mask(s)[b] <= 1, "masks are 0 to 1");
  }
}

// The same image as a host reads it, whose graphs something else runs (here: nothing does, so each fails).
void RunWithoutLayers(const std::vector<uint32_t>& image, void* memory, size_t size) {
  ModelImage model;
  SchedulerConfig config;
  Arena arena(memory, size);
  const Arena::Use use(&arena);
  HopScheduler core;
  if (!model.Open(image.data(), 4 * image.size()).ok() || !model.Read(&config, nullptr).ok() ||
      !core.Prepare(config).ok()) {
    return;
  }
  std::vector<float> block(static_cast<size_t>(core.hop()), 0.5f), face(2 * LipGeometry::kLandmarks, 1.0f);
  for (int n = 0; n < 9; ++n) {
    face[0] = static_cast<float>(n);
    core.See(face.data(), core.now() - 0.1);
    core.Process(block.data(), block.data());
    PromiseSound(block.data(), core.hop());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kMemory = 256 << 10;
  static const auto memory = std::make_unique<uint64_t[]>(kMemory / 8);
  if (size < 4) return 0;
  Input input(data, size);
  // The memory given and the memory claimed need not agree.
  const uint8_t less = input.Take<uint8_t>(), claim = input.Take<uint8_t>();
  input.Take<uint16_t>();
  TestImage body(false);
  body.words().assign(input.left() / 4, 0);
  if (!body.words().empty()) std::memcpy(body.words().data(), input.rest(), 4 * body.words().size());
  const std::vector<uint32_t> image = body.Seal(claim * 1024u);
  RunWithoutLayers(image, memory.get(), kMemory);
  seehear_error error;
  seehear_t* s = seehear_init(image.data(), 4 * image.size(), memory.get(), kMemory - less * 1024u, &error);
  Promise((s == nullptr) == (error.text[0] != 0), "a refusal has a reason, and only a refusal");
  if (s != nullptr) Run(s);
  return 0;
}
