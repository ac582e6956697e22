#include "signal/frame_spec.h"

#include "testing/test.h"

namespace seehear {
namespace {

TEST(ProfilesAreValidAndStateTheirShift) {
  CHECK_OK(FrameSpec::Standard().Validate());
  CHECK_OK(FrameSpec::LowLatency().Validate());
  CHECK(FrameSpec::Standard().shift() == 160);
  CHECK(FrameSpec::LowLatency().shift() == 80);
  CHECK(FrameSpec::Standard().bins() == 257);
}

TEST(ImpossibleSizesAreRefusedByName) {
  CHECK_ERROR((FrameSpec{16000, 500, 320, 160}.Validate()), "profile.analysis");
  CHECK_ERROR((FrameSpec{16000, 512, 300, 160}.Validate()), "two hops");
  CHECK_ERROR((FrameSpec{16000, 512, 0, 0}.Validate()), "two hops");
  CHECK_ERROR((FrameSpec{16000, 512, 319, 159}.Validate()), "two hops");
  // twice that hop, in 32 bits
  CHECK_ERROR((FrameSpec{16000, 512, -16777216, 2139095040}.Validate()), "two hops");
  CHECK_ERROR((FrameSpec{16000, 256, 320, 160}.Validate()), "not be longer");
  CHECK_ERROR((FrameSpec{96000, 512, 320, 160}.Validate()), "profile.rate");
}

}  // namespace
}  // namespace seehear
