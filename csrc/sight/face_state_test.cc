#include "sight/face_state.h"

#include <cstring>
#include <limits>

#include "testing/test.h"
#include "testing/test_config.h"

namespace seehear {
namespace {

struct Fixture {
  FaceState face;
  double t = 0;

  Fixture() {
    VisualSpec spec;
    CHECK_OK(face.Prepare(spec));
  }

  void Show(bool good, float open = -1) {
    t += 0.04;
    VisualImage image;
    image.t = t;
    image.has_landmarks = good;
    TestFace(open < 0 ? static_cast<float>(t) : open, image.landmarks);
    face.See(image);
  }
};

TEST(ThreeGoodImagesMakeAFaceSeen) {
  Fixture f;
  CHECK(std::strcmp(f.face.name(), "none") == 0);
  f.Show(true);
  f.Show(true);
  CHECK(!f.face.seen());
  f.Show(true);
  CHECK(f.face.seen() && std::strcmp(f.face.name(), "seen") == 0);
}

TEST(OneBadImageHoldsTheFaceTwoLoseIt) {
  Fixture f;
  for (int i = 0; i < 3; ++i) f.Show(true);
  const float open = f.face.distances()[0];
  f.Show(false);
  CHECK(f.face.seen() && f.face.distances()[0] == open && f.face.distances_time() < f.t);
  f.Show(true);
  CHECK(f.face.seen());
  f.Show(false);
  f.Show(false);
  CHECK(f.face.status() == FaceStatus::kNoFace);
}

TEST(NanLandmarksAreNoFace) {
  Fixture f;
  VisualImage image;
  image.t = 0.04;
  image.has_landmarks = true;
  TestFace(0.1f, image.landmarks);
  image.landmarks[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK(f.face.See(image) == FaceStatus::kNoFace);
  CHECK(f.face.status() == FaceStatus::kNoFace);
}

TEST(APictureThatNeverChangesIsFrozen) {
  Fixture f;
  for (int i = 0; i < 3; ++i) f.Show(true);
  for (int i = 0; i < 10; ++i) f.Show(true, 0.5f);  // the first and nine repeats
  CHECK(f.face.seen());
  f.Show(true, 0.5f);  // the tenth repeat
  CHECK(f.face.seen());
  f.Show(true, 0.5f);
  CHECK(f.face.status() == FaceStatus::kFrozen);
  f.Show(true, 0.6f);
  f.Show(true, 0.5f);
  f.Show(true, 0.4f);
  CHECK(f.face.seen());
}

TEST(AnImageOlderThanDelayAndOnePeriodIsLate) {
  Fixture f;
  for (int i = 0; i < 3; ++i) f.Show(true);
  f.face.Tick(f.t + 0.08 + 0.0405, 0.08);
  CHECK(f.face.seen());
  f.face.Tick(f.t + 0.08 + 0.0415, 0.08);
  CHECK(f.face.status() == FaceStatus::kLate);
  f.Show(true);
  f.Show(true);
  CHECK(f.face.status() == FaceStatus::kLate);
  f.Show(true);
  CHECK(f.face.seen());
}

TEST(ASlowCameraIsGivenItsOwnPeriodUpToATenthOfASecond) {
  Fixture f;
  for (int i = 0; i < 3; ++i) {
    f.t += 0.03;  // 0.07 s apart
    f.Show(true);
  }
  f.face.Tick(f.t + 0.08 + 0.07, 0.08);
  CHECK(f.face.seen());
  f.face.Tick(f.t + 0.08 + 0.0715, 0.08);
  CHECK(!f.face.seen());
}

TEST(WithoutAnyImageNothingIsLate) {
  Fixture f;
  f.face.Tick(100.0, 0.08);
  CHECK(f.face.status() == FaceStatus::kNone);
}

TEST(SettingsBelowOneAreRefused) {
  FaceState face;
  VisualSpec spec;
  spec.images_off = 0;
  CHECK_ERROR(face.Prepare(spec), "images_off");
  spec = VisualSpec();
  spec.rate = 0;
  CHECK_ERROR(face.Prepare(spec), "visual.rate");
}

}  // namespace
}  // namespace seehear
