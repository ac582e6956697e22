// What the C interface refuses, on small hostile models; its life on a whole one:
// tests/firmware/c_api_test.c.
#include "firmware/c_api.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstring>
#include <memory>

#include "testing/test.h"
#include "testing/test_image.h"

namespace seehear {
namespace {

struct Tried {
  std::unique_ptr<uint64_t[]> memory;
  seehear_t* handle;
  std::string reason;
};

Tried Try(const std::vector<uint32_t>& image, size_t size = TestImage::kMemory) {
  Tried tried{std::make_unique<uint64_t[]>(size / 8 + 1), nullptr, ""};
  seehear_error error;
  tried.handle = seehear_init(image.data(), 4 * image.size(), tried.memory.get(), size, &error);
  tried.reason = error.text;
  return tried;
}

// Where a run of words first stands in an image.
size_t Find(const std::vector<uint32_t>& image, const std::vector<uint32_t>& words) {
  return static_cast<size_t>(std::search(image.begin(), image.end(), words.begin(), words.end()) -
                             image.begin());
}

TEST(TheTestsOwnModelRuns) {
  const std::vector<uint32_t> image = TestImage().Seal();
  const Tried tried = Try(image);
  CHECK(tried.handle != nullptr && tried.reason.empty());
  if (tried.handle == nullptr) return;
  std::vector<float> block(TestImage::kHop, 0.1f), face(2 * SEEHEAR_LANDMARKS);
  for (int n = 0; n < 600; ++n) {
    for (size_t i = 0; i < face.size(); ++i)
      face[i] = static_cast<float>(i * 37 % 101) + 0.01f * static_cast<float>(n);
    if (n % TestImage::kMasks == 0) CHECK(seehear_see(tried.handle, face.data(), seehear_now(tried.handle)));
    seehear_process(tried.handle, block.data(), block.data());
  }
  CHECK(std::strcmp(seehear_face_state(tried.handle), "seen") == 0);
  CHECK(seehear_counter(tried.handle, "gate_runs") > 400);
  CHECK(std::abs(seehear_agreement(tried.handle)) <= 1.0f);
  seehear_reset(tried.handle);
  CHECK(seehear_agreement(tried.handle) == 0.0f);
}

TEST(EveryRefusalHasAReason) {
  for (uint32_t claimed : {0u, 1u, 4096u, 0xffffffffu}) {
    const std::vector<uint32_t> image = TestImage().Seal(claimed);
    for (size_t size : {size_t{0}, size_t{8}, size_t{64}, size_t{2048}, size_t{6000}}) {
      const Tried tried = Try(image, size);
      CHECK(tried.handle == nullptr && tried.reason.find("memory") != std::string::npos);
    }
  }
}

TEST(NumbersThatWouldOverflowAreRefused) {
  const std::vector<uint32_t> whole = TestImage().Seal();
  struct Change {
    std::vector<uint32_t> before;  // the word to change is the last of these
    int value;
    const char* reason;
  };
  const uint32_t four = 0x40800000, eight = 0x41000000, images = TestImage::kImages;
  const std::vector<Change> changes = {
      {{0xc1a00000, TestImage::kBands + 1}, INT_MIN, "do not add up"},  // number of band edges
      {{0xc1a00000, TestImage::kBands + 1},
       0x40000000 + TestImage::kBands + 1,
       "do not add up"},  // fits if 4 times that has 32 bits
      {{0xc1a00000, TestImage::kBands + 1}, INT_MAX, "do not add up"},
      {{images}, INT_MAX, "hops per second"},  // images per second
      {{images, TestImage::kMasks}, INT_MAX, "masks_per_image must be 1 to 64"},
      {{images, TestImage::kMasks, eight, four, 10, 3, 2, 8}, INT_MAX, "visual.queue"},
  };
  for (const Change& change : changes) {
    std::vector<uint32_t> image = whole;
    const size_t at = Find(image, change.before) + change.before.size() - 1;
    CHECK(at < image.size());
    image[at] = static_cast<uint32_t>(change.value);
    TestImage::MendChecksum(image.data(), 4 * image.size());
    const Tried tried = Try(image);
    CHECK(tried.handle == nullptr);
    if (tried.reason.find(change.reason) == std::string::npos) {
      test::Fail(__FILE__, __LINE__,
                 std::string("expected '") + change.reason + "', got '" + tried.reason + "'");
    }
  }
}

TEST(AnotherCellIsRefused) {
  std::vector<uint32_t> image = TestImage(false).Seal();
  std::vector<uint32_t> features(8);
  std::memcpy(features.data(), "features", 8);
  const size_t cell = Find(image, features) + 8;
  CHECK(image[cell] == 0);
  image[cell] = 1;
  TestImage::MendChecksum(image.data(), 4 * image.size());
  CHECK(Try(image).reason == "model: network audio: cell must be 0 (GRU), got 1");
}

}  // namespace
}  // namespace seehear
