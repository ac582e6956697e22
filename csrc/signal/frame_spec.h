// Sizes of a latency profile, in samples: analysis frame, synthesis frame, hop.
#pragma once

#include "base/status.h"

namespace seehear {

struct FrameSpec {
  static constexpr int kMinRate = 8000, kMaxRate = 48000;
  static constexpr int kMinAnalysis = 32, kMaxAnalysis = 8192;

  int rate = 16000;     // Hz
  int analysis = 512;   // samples; a power of two, also the FFT length
  int synthesis = 320;  // samples; always two hops
  int hop = 160;        // samples

  static FrameSpec Standard() { return {16000, 512, 320, 160}; }
  static FrameSpec LowLatency() { return {16000, 512, 160, 80}; }

  int bins() const { return analysis / 2 + 1; }
  // Delay of overlap-add when whole hops go in and come out.
  int shift() const { return synthesis - hop; }

  Status Validate() const;
};

}  // namespace seehear
