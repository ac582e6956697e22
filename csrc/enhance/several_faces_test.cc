// Several faces beside one sound: a track for each, and a joint one.
#include <cstring>

#include "enhance/stream.h"
#include "testing/test.h"
#include "testing/test_invoke.h"

namespace seehear {
namespace {

constexpr int kHop = 160;

// Faces whose lip masks can be told apart: the lip head answers from the lip features.
struct Fixture {
  HopScheduler scheduler;
  TestInvoke invoke{&scheduler};
  int hops = 0;
  std::vector<float> out = std::vector<float>(kHop);
  std::vector<std::vector<float>> rows;

  explicit Fixture(int faces) : rows(faces, std::vector<float>(kHop)) {
    SchedulerConfig config = TestConfig(FrameSpec::Standard(), true);
    config.faces = faces;
    CHECK_OK(scheduler.Prepare(config));
  }

  void Show(int face, float open) {
    float points[100];
    TestFace(open, points);
    points[0] += 0.001f * static_cast<float>(hops);  // a picture that moves
    CHECK(scheduler.See(points, scheduler.now(), face));
  }

  void Hop() {
    const std::vector<float> in = TestNoise(kHop, static_cast<uint32_t>(++hops));
    float* to[HopScheduler::kMaxFaces];
    for (size_t k = 0; k < rows.size(); ++k) to[k] = rows[k].data();
    scheduler.Process(in.data(), out.data(), to);
  }

  // `hops` hops with pictures of the faces whose bit is set.
  void Run(int count, unsigned shown) {
    for (int i = 0; i < count; ++i) {
      for (int k = 0; k < scheduler.faces() && hops % 4 == 0; ++k) {
        if (shown >> k & 1) Show(k, 0.1f + 0.05f * static_cast<float>(k));
      }
      Hop();
    }
  }
};

TEST(OneFaceGivesItsRowAsTheJointTrackToTheBit) {
  Fixture f(1);
  for (int i = 0; i < 60; ++i) {
    f.Run(1, 1);
    CHECK(f.rows[0] == f.out);
  }
  CHECK(f.scheduler.face().state().seen());
}

TEST(AFaceAloneInSightIsHeardAsASchedulerOfOneFaceHearsIt) {
  Fixture one(1), three(3);
  for (int i = 0; i < 80; ++i) {
    one.Run(1, 1);
    three.Run(1, 1);
    CHECK(three.rows[0] == one.out);
    CHECK(three.out == one.out);  // who is not in sight does not water the joint track down
  }
  CHECK(one.scheduler.face().state().seen());
  CHECK(!three.scheduler.face(1).state().seen() && three.scheduler.face(1).ramp() == 0.0f);
}

TEST(WhoIsNotInSightIsHeardBySoundAlone) {
  Fixture f(2);
  f.Run(80, 1);
  CHECK(std::memcmp(f.scheduler.face(1).mask(), f.scheduler.irm(), f.scheduler.bands() * sizeof(float)) == 0);
}

TEST(TheOthersLipsAreEvidenceAgainstABandThatTheseCannotSound) {
  Fixture f(2);
  f.Run(80, 3);
  const FacePath &first = f.scheduler.face(0), &second = f.scheduler.face(1);
  CHECK(first.ramp() == 1.0f && second.ramp() == 1.0f);
  for (int b = 0; b < f.scheduler.bands(); ++b) {
    const float own = first.gate()[b] * 0.25f + (1 - first.gate()[b]) * f.scheduler.irm()[b];
    CHECK_NEAR(first.mask()[b], own * (1 - second.ibm()[b] * (1 - first.ibm()[b])), 1e-6);
    CHECK_NEAR(f.scheduler.mask()[b], std::max(first.mask()[b], second.mask()[b]), 1e-6);
  }
}

TEST(EveryFaceHasAnAgreementOfItsOwnWhileItIsInSight) {
  Fixture f(2);
  f.Run(160, 1);
  const float first = f.scheduler.face(0).agreement();
  CHECK(first != 0.0f && f.scheduler.face(1).agreement() == 0.0f);
  f.Run(40, 2);  // the first one has gone
  CHECK(f.scheduler.face(0).agreement() == 0.0f && f.scheduler.face(1).agreement() == 0.0f);
  f.Run(120, 2);
  CHECK(f.scheduler.face(1).agreement() != 0.0f);
  f.scheduler.Reset();
  CHECK(f.scheduler.face(1).agreement() == 0.0f);
}

TEST(WhoIsNotSelectedIsMissingFromTheJointTrack) {
  Fixture f(2);
  CHECK(f.scheduler.set_selected(2));
  f.Run(80, 3);
  CHECK(std::memcmp(f.scheduler.mask(), f.scheduler.face(1).mask(), f.scheduler.bands() * sizeof(float)) ==
        0);
  CHECK(f.out == f.rows[1]);
  CHECK(!f.scheduler.set_selected(0) && !f.scheduler.set_selected(4) && f.scheduler.selected() == 2);
}

TEST(ImagesOfAFaceThatThereIsNotAreRefusedAndCounted) {
  Fixture f(2);
  float points[100];
  TestFace(0.1f, points);
  CHECK(!f.scheduler.See(points, 0.0, 2) && !f.scheduler.See(points, 0.0, -1));
  CHECK(f.scheduler.counters().Get(Counter::kImagesRefused) == 2);
}

TEST(SeveralFacesNeedEyesAndAreEightAtMost) {
  SchedulerConfig config = TestConfig(FrameSpec::Standard(), true);
  HopScheduler scheduler;
  for (int faces : {0, -1, 9}) {
    config.faces = faces;
    CHECK_ERROR(scheduler.Prepare(config), "faces must be 1 to 8");
  }
  SchedulerConfig deaf = TestConfig(FrameSpec::Standard(), false);
  deaf.faces = 2;
  CHECK_ERROR(scheduler.Prepare(deaf), "without eyes");
}

// All tracks of a stream of two faces in blocks of `block` samples, one behind the other.
std::vector<float> Tracks(int rate, int block, bool whole_hops) {
  Fixture f(2);
  Stream stream;
  CHECK_OK(stream.Prepare(&f.scheduler, rate, whole_hops ? block : 0));
  const int total = rate / 2;
  const std::vector<float> in = TestNoise(total);
  std::vector<std::vector<float>> tracks(3, std::vector<float>(total));
  const double period = 0.04;
  int shown = 0;
  for (int at = 0; at < total; at += block) {
    while (shown * period <= static_cast<double>(at) / rate) {
      for (int k = 0; k < 2; ++k) {
        float points[100];
        TestFace(0.1f + 0.02f * static_cast<float>(shown % 3 + k), points);
        f.scheduler.See(points, shown * period, k);
      }
      ++shown;
    }
    float* rows[] = {&tracks[1][at], &tracks[2][at]};
    stream.Process(&in[at], std::min(block, total - at), &tracks[0][at], rows);
  }
  std::vector<float> all;
  for (const auto& track : tracks) all.insert(all.end(), track.begin(), track.end());
  return all;
}

TEST(AStreamGivesTheSameTracksForAnyBlocksAndRates) {
  for (int rate : {16000, 48000}) {
    const int hop = rate / 100;
    const std::vector<float> reference = Tracks(rate, hop, false);
    CHECK(Tracks(rate, hop / 4, false) == reference);
    CHECK(Tracks(rate, hop / 5, false) == reference);
    const std::vector<float> earlier = Tracks(rate, hop, true);  // hop - 1 samples, at the core's rate
    const int total = rate / 2, lead = rate == 16000 ? 159 : 477;
    for (int k = 0; k < 3; ++k) {
      for (int i = 0; i + lead < total; ++i) {
        CHECK_NEAR(reference[k * total + i + lead], earlier[k * total + i], 1e-5);
      }
    }
  }
}

}  // namespace
}  // namespace seehear
