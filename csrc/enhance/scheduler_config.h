// All that a scheduler is made of: what a model says, and how many faces it is to look at.
#pragma once

#include "enhance/mask_fusion.h"
#include "nets/recurrent_net.h"
#include "sight/face_state.h"
#include "signal/band_layout.h"
#include "signal/feature_extractor.h"
#include "signal/frame_spec.h"

namespace seehear {

struct SchedulerConfig {
  FrameSpec frame;
  Vector<int> edges;
  FeatureSpec features;
  NetSpec audio;
  float floor_db = -20.0f;
  Vector<GraphSpec> graphs;
  // The rest matters to a model with eyes only.
  bool has_vision = false;
  VisualSpec visual;
  FusionForm form = FusionForm::kAv;
  NetSpec lips;
  NetSpec gate;
  int faces = 1;  // 1 to 8, each with a state of its own over the same graphs
};

}  // namespace seehear
