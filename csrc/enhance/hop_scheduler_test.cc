#include "enhance/hop_scheduler.h"

#include <cstring>
#include <limits>

#include "testing/test.h"
#include "testing/test_invoke.h"

namespace seehear {
namespace {

struct Fixture {
  HopScheduler scheduler;
  TestInvoke invoke{&scheduler};
  FrameSpec frame;
  double next_image = 0;
  int hops = 0;

  explicit Fixture(bool vision = true, FrameSpec spec = FrameSpec::Standard()) : frame(spec) {
    CHECK_OK(scheduler.Prepare(TestConfig(spec, vision)));
  }

  std::vector<float> Hop(const std::vector<float>& in) {
    std::vector<float> out(frame.hop);
    scheduler.Process(in.data(), out.data());
    ++hops;
    return out;
  }

  std::vector<float> Hop() { return Hop(TestNoise(frame.hop, static_cast<uint32_t>(hops + 1))); }

  // A hop with a camera at 25 images per second whose images arrive in time; `good` says whether they show a
  // face.
  std::vector<float> HopWithImages(bool good) {
    const double now = static_cast<double>(hops + 1) * frame.hop / frame.rate;
    while (next_image <= now) {
      float face[100];
      TestFace(0.1f + 0.05f * std::sin(static_cast<float>(30 * next_image)), face);
      scheduler.See(good ? face : nullptr, next_image);
      next_image += 0.04;
    }
    return Hop();
  }

  uint32_t Count(Counter counter) { return scheduler.counters().Get(counter); }
};

std::vector<float> Concatenate(Fixture* f, int hops, bool images, bool good = true) {
  std::vector<float> all;
  for (int i = 0; i < hops; ++i) {
    const std::vector<float> out = images ? f->HopWithImages(good) : f->Hop();
    all.insert(all.end(), out.begin(), out.end());
  }
  return all;
}

TEST(ImpulseShiftEqualsLatencyInBothProfiles) {
  for (const FrameSpec& frame : {FrameSpec::Standard(), FrameSpec::LowLatency()}) {
    for (int position : {0, 1, 37, frame.hop - 1}) {
      Fixture f(false, frame);
      f.scheduler.set_strength(0.0f);
      std::vector<float> all;
      for (int n = 0; n < 8; ++n) {
        std::vector<float> in(frame.hop, 0.0f);
        if (n == 3) in[position] = 1.0f;
        const std::vector<float> out = f.Hop(in);
        all.insert(all.end(), out.begin(), out.end());
      }
      const int expected = 3 * frame.hop + position + f.scheduler.latency();
      for (int i = 0; i < static_cast<int>(all.size()); ++i)
        CHECK_NEAR(all[i], i == expected ? 1.0 : 0.0, 1e-6);
    }
  }
}

TEST(StrengthZeroIsTheInputDelayed) {
  Fixture f;
  f.scheduler.set_strength(0.0f);
  std::vector<float> in, out;
  for (int n = 0; n < 50; ++n) {
    const std::vector<float> hop = TestNoise(160, static_cast<uint32_t>(n + 1));
    in.insert(in.end(), hop.begin(), hop.end());
    const std::vector<float> result = f.HopWithImages(true);
    out.insert(out.end(), result.begin(), result.end());
  }
  for (size_t i = 160; i < out.size(); ++i) CHECK_NEAR(out[i], in[i - 160], 1e-6);
}

TEST(FlushGivesTheTail) {
  Fixture f(false);
  f.scheduler.set_strength(0.0f);
  const std::vector<float> in = TestNoise(160);
  f.Hop(in);
  float tail[160];
  f.scheduler.Flush(tail);
  for (int i = 0; i < 160; ++i) CHECK_NEAR(tail[i], in[i], 1e-6);
}

TEST(FiveHundredRepeatsAreBitIdentical) {
  Fixture f;
  const std::vector<float> first = Concatenate(&f, 20, true);
  for (int repeat = 0; repeat < 500; ++repeat) {
    f.scheduler.Reset();
    f.hops = 0;
    f.next_image = 0;
    if (Concatenate(&f, 20, true) != first) {
      CHECK(!"repeat differs from the first run");
      break;
    }
  }
}

TEST(WithoutAFaceTheResultIsAudioOnlyBitForBit) {
  Fixture audio(false), blind(true), nobody(true);
  const std::vector<float> expected = Concatenate(&audio, 100, false);
  CHECK(Concatenate(&blind, 100, false) == expected);
  CHECK(Concatenate(&nobody, 100, true, false) == expected);
  CHECK(std::strcmp(blind.scheduler.face().state().name(), "none") == 0);
  CHECK(std::strcmp(nobody.scheduler.face().state().name(), "no_face") == 0);
  CHECK(nobody.Count(Counter::kGateRuns) == 0 && nobody.Count(Counter::kLipRuns) == 0);
}

TEST(AFaceOpensTheGateInTenHopsAndItsLossClosesItInFive) {
  Fixture f, audio(false);
  for (int n = 0; n < 60; ++n) {
    f.HopWithImages(true);
    audio.Hop();
  }
  CHECK(f.scheduler.face().state().seen());
  CHECK(f.scheduler.face().gate()[0] > 0.0f && f.scheduler.face().ibm()[0] < 1.0f);
  // From the first hop with another mask on, outputs differ; after the gate has closed, one window later,
  // they are equal.
  int closed = -1;
  for (int n = 0; n < 60; ++n) {
    const std::vector<float> out = f.HopWithImages(false), expected = audio.Hop();
    if (closed < 0 && f.scheduler.face().gate()[0] == 0.0f) closed = n;
    if (closed >= 0 && n >= closed + 1) CHECK(out == expected);
  }
  // 80 ms of delay plus two bad images: at tick 3 at the latest; then five hops.
  CHECK(closed > 0 && closed <= 8 + 8 + 5);
  CHECK(f.scheduler.face().ibm()[0] == 1.0f);
}

TEST(GateMovesInStepsOfATenthUpAndAFifthDown) {
  Fixture f;
  float last = 0.0f;
  int up = 0, down = 0;
  for (int n = 0; n < 120; ++n) {
    f.HopWithImages(n < 60);
    const float gate = f.scheduler.face().gate()[0];  // the test's gate net always says 0.8
    if (gate > last) CHECK_NEAR(gate - last, 0.08, 1e-6);
    if (gate < last) CHECK_NEAR(last - gate, 0.16, 1e-6);
    up += gate > last;
    down += gate < last;
    last = gate;
  }
  CHECK(up == 10 && down == 5);
}

TEST(MaskJOfTickIIsUsedAtHopMTimesIPlusJ) {
  Fixture f;
  for (int n = 0; n < 80; ++n) {
    f.HopWithImages(true);
    if (f.scheduler.face().gate()[0] > 0.0f) CHECK_NEAR(f.scheduler.face().ibm()[0], 0.1 * (n % 4 + 1), 1e-6);
  }
  CHECK(f.scheduler.face().gate()[0] > 0.0f);
}

TEST(LowLatencyProfileHasEightMasksPerImage) {
  Fixture f(true, FrameSpec::LowLatency());
  for (int n = 0; n < 160; ++n) {
    f.HopWithImages(true);
    if (f.scheduler.face().gate()[0] > 0.0f) CHECK_NEAR(f.scheduler.face().ibm()[0], 0.1 * (n % 8 + 1), 1e-6);
  }
  CHECK(f.scheduler.face().gate()[0] > 0.0f && f.Count(Counter::kLipRuns) < 20);
}

TEST(ImagesWaitForTheVisualDelay) {
  Fixture f;
  f.scheduler.set_visual_delay_ms(80.0f);
  float face[100];
  for (int i = 0; i < 3; ++i) {
    TestFace(0.1f + 0.01f * static_cast<float>(i), face);
    CHECK(f.scheduler.See(face, 0.001 * i));
  }
  // The third image, at 2 ms, is eligible once now >= 82 ms; the tick at or after that is hop 8 (now = 90
  // ms).
  for (int n = 0; n < 8; ++n) f.Hop();
  CHECK(!f.scheduler.face().state().seen());
  f.Hop();
  CHECK(f.scheduler.face().state().seen());
  CHECK(f.Count(Counter::kImagesSuperseded) == 2);
}

TEST(ACameraThatStopsIsLateAndClosesTheGate) {
  Fixture f, audio(false);
  for (int n = 0; n < 60; ++n) {
    f.HopWithImages(true);
    audio.Hop();
  }
  CHECK(f.scheduler.face().state().seen());
  for (int n = 0; n < 40; ++n) {
    const std::vector<float> out = f.Hop(), expected = audio.Hop();
    if (n > 20) CHECK(out == expected);
  }
  CHECK(std::strcmp(f.scheduler.face().state().name(), "late") == 0);
  CHECK(f.Count(Counter::kLateTicks) > 0);
}

TEST(AFailingAudioNetPassesTheSoundThroughAndKeepsItsState) {
  Fixture f(false), whole(false);
  // What the net was given as its state in the last hop.
  const auto state = [](Fixture& fixture) {
    TensorPort* h = fixture.scheduler.graphs()[0].Input("h");
    const auto* values = static_cast<const float*>(h->data());
    return std::vector<float>(values, values + h->size());
  };
  for (int n = 0; n < 5; ++n) f.Hop(), whole.Hop();
  f.invoke.failing_graph = 1;
  f.Hop(), whole.Hop();
  CHECK(f.scheduler.irm()[3] == 1.0f && f.scheduler.mask()[3] == 1.0f);
  CHECK(f.Count(Counter::kAudioFailures) == 1);
  const std::vector<float> before = state(f);
  CHECK(before == state(whole));
  // Every sample lies in two windows: from the second failure on it is the sound itself.
  const std::vector<float> sound = TestNoise(160, 6), out = f.Hop(), enhanced = whole.Hop();
  double change = 0;
  for (int i = 0; i < 160; ++i) {
    CHECK_NEAR(out[i], sound[i], 1e-6);
    change += std::abs(enhanced[i] - sound[i]);
  }
  CHECK(change > 1);
  f.invoke.failing_graph = -1;
  f.Hop(), whole.Hop();
  CHECK(f.scheduler.irm()[3] < 1.0f);
  CHECK(state(f) == before && state(whole) != before);
}

TEST(ANanFromANetCountsAsAFailure) {
  Fixture f(false);
  f.invoke.poisoned_graph = 1;
  const std::vector<float> out = f.Hop();
  CHECK(f.Count(Counter::kAudioFailures) == 1);
  for (float x : out) CHECK(std::isfinite(x));
}

TEST(AFailingLipOrGateNetClosesTheGateAtOnce) {
  for (int graph : {2, 3, 4, 5}) {
    Fixture f;
    for (int n = 0; n < 60; ++n) f.HopWithImages(true);
    CHECK(f.scheduler.face().gate()[0] > 0.0f);
    f.invoke.failing_graph = graph;
    f.HopWithImages(true);  // hop 60 is a tick
    CHECK(f.scheduler.face().gate()[0] == 0.0f);
    CHECK(std::memcmp(f.scheduler.mask(), f.scheduler.irm(), f.scheduler.bands() * sizeof(float)) == 0);
    CHECK(f.Count(graph < 4 ? Counter::kLipFailures : Counter::kGateFailures) == 1);
    f.invoke.failing_graph = -1;
    for (int n = 0; n < 8; ++n) f.HopWithImages(true);
    CHECK(f.scheduler.face().gate()[0] > 0.0f);
  }
}

TEST(NonFiniteAndWildSamplesAreRepairedAndCounted) {
  Fixture f(false);
  std::vector<float> in = TestNoise(160);
  in[3] = std::numeric_limits<float>::quiet_NaN();
  in[4] = std::numeric_limits<float>::infinity();
  in[5] = -9.0f;
  for (float x : f.Hop(in)) CHECK(std::isfinite(x) && std::abs(x) <= 4.0f);
  CHECK(f.Count(Counter::kNonfiniteSamples) == 2 && f.Count(Counter::kClampedSamples) == 1);
  for (int n = 0; n < 5; ++n) {
    for (float x : f.Hop()) CHECK(std::isfinite(x));
  }
}

TEST(ImpossibleImageTimesNeverBlockTheQueue) {
  Fixture f;
  CHECK(!f.scheduler.See(nullptr, std::numeric_limits<double>::quiet_NaN()));
  CHECK(f.Count(Counter::kImagesRefused) == 1);
  for (double t : {1e9, 1.001, -1.001, -1e9}) CHECK(!f.scheduler.See(nullptr, t));  // another clock
  CHECK(f.Count(Counter::kImagesRefused) == 5);
  for (int n = 0; n < 60; ++n) f.HopWithImages(true);
  CHECK(f.scheduler.face().state().seen());
  CHECK(f.Count(Counter::kImagesMistimed) == 0);
  float face[100];
  TestFace(0.3f, face);
  CHECK(f.scheduler.See(face, 0.01));  // older than those before, which wait for the visual delay
  for (int n = 0; n < 16; ++n) f.HopWithImages(true);
  CHECK(f.scheduler.face().state().seen() && f.Count(Counter::kImagesMistimed) == 1);
}

TEST(AnImageFromAheadKeepsNoOtherWaiting) {
  Fixture f;
  for (int n = 0; n < 60; ++n) f.HopWithImages(true);
  for (double ahead : {0.9, 0.95, 0.99}) CHECK(f.scheduler.See(nullptr, f.scheduler.now() + ahead));
  // The camera's next images come with times before those.
  for (int n = 0; n < 60; ++n) {
    f.HopWithImages(true);
    CHECK(f.scheduler.face().state().seen());
  }
  CHECK(f.Count(Counter::kImagesMistimed) == 3 && f.Count(Counter::kLateTicks) == 0);
}

TEST(ProductFormVetoesWithoutAMaskOfItsOwn) {
  SchedulerConfig config = TestConfig(FrameSpec::Standard(), true);
  config.form = FusionForm::kProduct;
  config.gate.outputs = {{"gate", "gate"}};
  Fixture f;
  CHECK_OK(f.scheduler.Prepare(config));
  for (int n = 0; n < 60; ++n) f.HopWithImages(true);
  for (int b = 0; b < f.scheduler.bands(); ++b) {
    const float irm = f.scheduler.irm()[b], gate = f.scheduler.face().gate()[b];
    CHECK_NEAR(f.scheduler.mask()[b], gate * irm * f.scheduler.face().ibm()[b] + (1 - gate) * irm, 1e-6);
  }
}

TEST(InputAndOutputMayBeTheSameBuffer) {
  Fixture a(false), b(false);
  for (int n = 0; n < 5; ++n) {
    std::vector<float> hop = TestNoise(160, static_cast<uint32_t>(n + 1));
    const std::vector<float> expected = a.Hop(hop);
    b.scheduler.Process(hop.data(), hop.data());
    CHECK(hop == expected);
  }
}

TEST(SettingsOutOfRangeAreRefused) {
  Fixture f;
  CHECK(!f.scheduler.set_strength(1.1f) && !f.scheduler.set_floor_db(1.0f) &&
        !f.scheduler.set_visual_delay_ms(-1.0f));
  CHECK(f.scheduler.strength() == 1.0f && f.scheduler.visual_delay_ms() == 80.0f);
}

TEST(ConfigurationsThatDoNotFitAreRefusedByName) {
  const auto refused = [](void (*change)(SchedulerConfig*)) {
    SchedulerConfig config = TestConfig(FrameSpec::Standard(), true);
    change(&config);
    return HopScheduler().Prepare(config);
  };
  CHECK_ERROR(refused([](SchedulerConfig* c) { c->visual.masks_per_image = 3; }),
              "hops per second (100), got 25 x 3");
  CHECK_ERROR(refused([](SchedulerConfig* c) { c->audio.inputs = {"lips"}; }),
              "input must be one of 'features', got 'lips'");
  CHECK_ERROR(refused([](SchedulerConfig* c) { c->gate.inputs = {"irm"}; }), "graph gate_1: tensor x");
  CHECK_ERROR(refused([](SchedulerConfig* c) { c->gate.outputs = {{"gate", "gate"}}; }),
              "network gate needs an output mask_av");
  CHECK_ERROR(refused([](SchedulerConfig* c) { c->edges[c->edges.size() - 1] = 256; }), "bands.edges");
  CHECK_ERROR(refused([](SchedulerConfig* c) { c->floor_db = 3.0f; }), "fusion.floor_db");
  CHECK_ERROR(refused([](SchedulerConfig* c) { c->visual.delay_ms = 900.0f; }), "visual.delay_ms");
  CHECK_ERROR(refused([](SchedulerConfig* c) { c->graphs = {}; }), "names graph audio_1");
}

}  // namespace
}  // namespace seehear
