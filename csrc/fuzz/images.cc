// Landmarks and times of every kind, between hops of sound: counters and masks keep their promises, nothing
// that a camera says can mute or poison the sound, and a camera that works comes through afterwards.
#include <cstring>
#include <memory>

#include "firmware/c_api.h"
#include "input.h"
#include "testing/test_config.h"
#include "testing/test_image.h"

using seehear::TestFace;
using seehear::TestImage;
using seehear::fuzz::Input;
using seehear::fuzz::Promise;
using seehear::fuzz::PromiseSound;

namespace {

struct Session {
  seehear_t* s;
  uint32_t shown = 0;
  float face[2 * SEEHEAR_LANDMARKS] = {};

  void See(Input* input) {
    const int what = input->Take<uint8_t>() % 8;
    if (what < 5) TestFace(input->Wild<float>(0, 0.6), face);
    if (what >= 4) face[input->Upto(99)] = input->Wild<float>(-1e4, 1e4);
    const double now = seehear_now(s);
    seehear_see(s, what == 0 ? nullptr : face, input->Wild<double>(now - 0.1, now + 0.05));
    ++shown;
    const uint32_t counted = seehear_counter(s, "images_queued") + seehear_counter(s, "images_refused");
    Promise(counted == shown, "every image is counted once");
  }

  void Hops(int count) {
    float block[TestImage::kHop];
    for (int n = 0; n < count; ++n) {
      for (int i = 0; i < TestImage::kHop; ++i) block[i] = 0.1f * static_cast<float>((n * 5 + i * 3) % 7 - 3);
      seehear_process(s, block, block);
      PromiseSound(block, TestImage::kHop);
    }
    for (int b = 0; b < seehear_bands(s); ++b) {
      Promise(seehear_mask(s)[b] >= 0 && seehear_mask(s)[b] <= 1, "masks are 0 to 1");
    }
  }

  void Reset() {
    seehear_reset(s);
    shown = 0;
    Promise(std::strcmp(seehear_face_state(s), "none") == 0, "reset forgets the face");
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<uint32_t> image = TestImage().Seal();
  static const auto memory = std::make_unique<uint64_t[]>(TestImage::kMemory / 8);
  static seehear_t* const s =
      seehear_init(image.data(), 4 * image.size(), memory.get(), TestImage::kMemory, nullptr);
  Session session{s};
  session.Reset();
  seehear_set_visual_delay_ms(s, TestImage::kDelay);
  Input input(data, size);
  for (int steps = 0; steps < 40 && !input.empty(); ++steps) {
    const int choice = input.Take<uint8_t>() % 8;
    if (choice < 3) session.See(&input);
    if (choice >= 3 && choice < 6) session.Hops(1 + input.Upto(15));
    if (choice == 6) seehear_set_visual_delay_ms(s, input.Wild<float>(0, 500));
    if (choice == 7 && input.Take<uint8_t>() % 8 == 0) session.Reset();
  }
  return 0;
}
